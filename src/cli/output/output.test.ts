import { describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { BangerError } from "../../base/base.ts";
import { session } from "../testing/harness.ts";
import { errorLines, renderError } from "./errors.ts";
import { escapeLine } from "./escape.ts";
import { harmless } from "./log-stream.ts";
import { startProgress } from "./progress.ts";
import { styleFor } from "./style.ts";
import { fitting, renderRecord, renderTable, renderTableFor } from "./table.ts";
import { ago } from "./when.ts";

describe("text from outside", () => {
  test.each([
    ["plain, Ünïcödé 漢字 🦦", "plain, Ünïcödé 漢字 🦦"],
    ["\x1b[2J", "\\x1b[2J"],
    ["a\rb\nc\td\0", "a\\rb\\nc\\td\\x00"],
    ["\x9b31m\x7f", "\\x9b31m\\x7f"],
    ["abc\u202egnp.exe", "abc\\u202egnp.exe"],
    ["\u2066\u200b\ufeff", "\\u2066\\u200b\\ufeff"],
    ["\ud800x", "\\ud800x"],
  ])("%j is shown as %j", (given, shown) => {
    expect(escapeLine(given)).toBe(shown);
  });

  test("takes no longer than it is long, whatever a guest has thought of", async () => {
    const began = performance.now();
    for (const nothing of ["\u0301", "\u{1f468}\u200d", "\u{e0041}"])
      expect(fitting(`${nothing.repeat(4000)}${"x".repeat(99)}`, 20)).toEndWith("x");
    const returns = Readable.from([Buffer.alloc(512 * 1024, "\r")]);
    expect((await text(returns.pipe(harmless()))).length).toBe(2 * 512 * 1024);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test("in a log keeps colours and lines, also when a sequence is cut by a chunk", async () => {
    const chunks = ["\x1b[3", "1mred\x1b[0m\r", "\n\x1b]0;title\x07", "\xc3", "end\x1b"];
    const bytes = Readable.from(chunks.map((chunk) => Buffer.from(chunk, "latin1")));
    expect(await text(bytes.pipe(harmless()))).toBe("\x1b[31mred\x1b[0m\n\\x1b]0;title\\x07�end\\x1b");
  });
});

describe("errors", () => {
  const style = styleFor(false, {});

  test("have one line, the operation and a hint", () => {
    const error = new BangerError("not_found", "there is no VM \x1b[2J", {
      hint: "see: banger vm list",
      opId: "op-9",
    });
    expect(errorLines(error, { style })).toEqual([
      "banger: there is no VM \\x1b[2J (op op-9)",
      "  hint: see: banger vm list",
    ]);
  });

  test("with several problems keep them on lines of their own", () => {
    const error = new BangerError("bad_config", "c.toml:1: unknown key a\nc.toml:2: unknown key b");
    expect(errorLines(error, { style })).toEqual([
      "banger: c.toml:1: unknown key a",
      "        c.toml:2: unknown key b",
    ]);
  });

  test("that are bugs say what was thrown, with status 1", () => {
    const run = session();
    expect(renderError(new TypeError("x is not a function"), run.ctx)).toBe(1);
    expect(run.err()).toBe("banger: x is not a function\n");
  });
});

test.each([
  [true, {}, "\x1b[1mx\x1b[22m"],
  [true, { NO_COLOR: "" }, "\x1b[1mx\x1b[22m"],
  [true, { NO_COLOR: "1" }, "x"],
  [true, { TERM: "dumb" }, "x"],
  [false, {}, "x"],
])("on a terminal (%p) with %p emphasis is %j", (tty, env, expected) => {
  expect(styleFor(tty, env).bold("x")).toBe(expected);
});

test("tables are aligned by what a terminal shows", () => {
  expect(
    renderTable(
      ["A", "B"],
      [
        ["漢字", "x"],
        ["a", "y"],
      ],
    ),
  ).toBe("A     B\n漢字  x\na     y");
  expect(renderTable(["A", "B"], [])).toBe("A  B");
});

describe("on a terminal that is too narrow", () => {
  const narrow = (columns: number) => {
    const run = session({ tty: { stdout: true } });
    run.resize(columns, 24);
    return run.ctx;
  };
  const rows = [["calm-otter", "x".repeat(40), "12G"]];
  const header = ["NAME", "WORKSPACE", "SIZE"];

  test("a table's longest cells lose their ends, and no line is longer than it", () => {
    expect(renderTableFor(narrow(36), header, rows)).toBe(
      `NAME        WORKSPACE           SIZE\ncalm-otter  ${"x".repeat(15)}...  12G`,
    );
    for (const columns of [24, 30, 40, 80])
      for (const line of renderTableFor(narrow(columns), header, rows).split("\n"))
        expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
  });

  test("columns that can be done without go before that, and a pipe gets all", () => {
    expect(renderTableFor(narrow(36), header, rows, ["WORKSPACE"])).toBe("NAME        SIZE\ncalm-otter  12G");
    expect(renderTableFor(session().ctx, header, rows)).toContain("x".repeat(40));
  });

  test("a record's value goes on below itself", () => {
    expect(renderRecord(narrow(30), [["why", "because nothing else is there"]])).toBe(
      "why:  because nothing else is\n      there",
    );
    expect(renderRecord(session().ctx, [["why", "because nothing else is there"]])).not.toContain("\n");
  });
});

test.each([
  ["2026-03-04T11:59:30Z", "just now"],
  ["2026-03-04T11:59:00Z", "1 minute ago"],
  ["2026-03-04T09:00:00Z", "3 hours ago"],
  ["2026-03-01T12:00:00Z", "3 days ago"],
  ["2027-03-01T12:00:00Z", "just now"],
  ["yesterday", "yesterday"],
])("%s is %s", (then, said) => {
  expect(ago(then, new Date("2026-03-04T12:00:00Z"))).toBe(said);
});

describe("progress without a terminal", () => {
  test("is one plain line per finished stage that took a while, and a summary", () => {
    const run = session();
    const progress = startProgress(run.ctx);
    progress.event({ kind: "stage", stage: "root_disk", status: "begin" });
    progress.event({ kind: "stage", stage: "root_disk", status: "done", ms: 12 });
    progress.event({ kind: "stage", stage: "agent_hello", status: "begin" });
    run.advance(1200);
    progress.event({ kind: "stage", stage: "agent_hello", status: "done", ms: 1200 });
    progress.event({ kind: "warning", message: "the disk may fill up\x07" });
    progress.event({ kind: "stage", stage: "guest_ready", status: "begin" });
    run.advance(3600);
    progress.event({ kind: "stage", stage: "guest_ready", status: "done", ms: 3600 });
    progress.end("calm-otter ready");
    progress.end("calm-otter ready");
    expect(run.err()).toBe(
      [
        "booting the kernel: 1.20s",
        "warning: the disk may fill up\\x07",
        "booting the guest: 3.60s",
        "calm-otter ready in 4.80s (kernel 1.20s, guest 3.60s)\n",
      ].join("\n"),
    );
  });
});

test("a long stage without a terminal says what it did within itself, and that it lives", () => {
  const run = session();
  const progress = startProgress(run.ctx);
  const event = { kind: "stage", stage: "image" } as const;
  progress.event({ ...event, status: "begin", message: "reading package lists" });
  run.advance(500);
  progress.event({ ...event, status: "progress", message: "downloading" });
  progress.event({ ...event, status: "progress", done: 30 * 1024 * 1024, unit: "bytes" });
  run.advance(12_000);
  progress.event({ ...event, status: "progress", message: "unpacking" });
  run.advance(3000);
  progress.event({ ...event, status: "done" });
  progress.end("image ready");
  expect(run.err()).toBe(
    [
      "building the image (once): downloading: 12.0s so far 30M",
      "building the image (once): downloading: 12.0s",
      "building the image (once): 15.5s",
      "image ready in 15.5s (image 15.5s)\n",
    ].join("\n"),
  );
});

test("a stage says why it is gone through at all", () => {
  const run = session();
  const progress = startProgress(run.ctx);
  const event = { kind: "stage", stage: "agent_hello" } as const;
  progress.event({ ...event, status: "begin", because: "no template yet for this image and size" });
  run.advance(1200);
  progress.event({ ...event, status: "done" });
  progress.end();
  expect(run.err()).toBe("booting the kernel (no template yet for this image and size): 1.20s\n");
});

describe("progress on a terminal", () => {
  const tty = { stderr: true };
  const env = { NO_COLOR: "1" };

  test("is a live line with elapsed time that the summary replaces", () => {
    const run = session({ tty, env });
    const progress = startProgress(run.ctx);
    progress.event({ kind: "stage", stage: "guest_ready", status: "begin" });
    run.advance(500);
    progress.event({ kind: "stage", stage: "guest_ready", status: "done", ms: 500 });
    progress.end("calm-otter ready");
    expect(run.err()).toBe(
      "- booting the guest 0.00s\n\x1b[1A\r\x1b[0J\\ booting the guest 0.50s\n\x1b[1A\r\x1b[0Jcalm-otter ready in 0.50s (guest 0.50s)\n",
    );
  });

  test("shows size and rate where they are known, and never more than a line's width", () => {
    const run = session({ tty, env });
    const progress = startProgress(run.ctx);
    const total = 80 * 1024 * 1024;
    progress.event({ kind: "stage", stage: "image", status: "begin", message: "fetching packages" });
    progress.event({
      kind: "stage",
      stage: "image",
      status: "progress",
      done: total / 4,
      total,
      unit: "bytes",
    });
    run.advance(2000);
    expect(run.err()).toEndWith("\\ fetching packages 2.00s [#####---------------] 20M / 80M 10M/s\n");
    run.resize(30, 24);
    run.advance(100);
    expect(run.err()).toEndWith(`${"| fetching packages 2.10s [###\n".slice(0, 29)}\n`);
    progress.end();
  });

  test("notes land above the live line", () => {
    const run = session({ tty, env });
    const progress = startProgress(run.ctx);
    progress.event({ kind: "stage", stage: "guest_ready", status: "begin" });
    progress.note("by the way");
    progress.end();
    expect(run.err()).toBe(
      "- booting the guest 0.00s\n\x1b[1A\r\x1b[0Jby the way\n- booting the guest 0.00s\n\x1b[1A\r\x1b[0J",
    );
  });
});

test("stages that overlap claim no more than the whole", () => {
  const run = session();
  const progress = startProgress(run.ctx);
  const event = (stage: string, status: "begin" | "done") =>
    progress.event({ kind: "stage", stage, status, ...(status === "done" ? { ms: 14_000 } : {}) });
  event("import", "begin");
  run.advance(1000);
  event("guest_ready", "begin");
  run.advance(9000);
  event("guest_ready", "done");
  event("workspace", "begin");
  run.advance(4000);
  event("import", "done");
  event("workspace", "done");
  progress.end("calm-otter ready");
  expect(run.err()).toEndWith("calm-otter ready in 14.0s (workspace 5.00s, guest 9.00s)\n");
});
