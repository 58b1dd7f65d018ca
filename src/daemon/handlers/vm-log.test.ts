/** Logs by their end, and what follows. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { followFile } from "./follow.ts";
import { startOfLast } from "./last-lines.ts";
import { linesThat } from "./vm-log.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-log-"));
  path = join(dir, "console.log");
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("the last lines", () => {
  const last = async (text: string, count: number, counts?: (line: Buffer) => boolean) => {
    writeFileSync(path, text);
    return text.slice(await startOfLast(path, count, counts));
  };

  test("are counted from the end, a line without its end is one", async () => {
    expect(await last("a\nb\nc\n", 2)).toBe("b\nc\n");
    expect(await last("a\nb\nc", 2)).toBe("b\nc");
    expect(await last("a\n\n\n", 2)).toBe("\n\n");
    expect(await last("a\nb\n", 5)).toBe("a\nb\n");
    expect(await last("a\nb\n", 0)).toBe("");
    expect(await last("", 3)).toBe("");
  });

  test("are found across pieces of the file", async () => {
    const long = `${"x".repeat(100_000)}\n`;
    expect(await last(`first\n${long}${long}end\n`, 3)).toBe(`${long}${long}end\n`);
  });

  test("may be only those that are about something", async () => {
    const wanted = (line: Buffer) => line.includes("mine");
    expect(await last("mine 1\nmine 2\nother\nmine 3\nother\n", 2, wanted)).toBe(
      "mine 2\nother\nmine 3\nother\n",
    );
  });
});

describe("following", () => {
  const follow = (from = 0) => {
    const reader = new PassThrough();
    let said = "";
    const over = (async () => {
      for await (const chunk of followFile(path, reader, from)) said += chunk.toString();
    })();
    const has = async (text: string) => {
      for (const until = Date.now() + 3_000; said !== text; await Bun.sleep(5))
        if (Date.now() > until) throw new Error(`${JSON.stringify(said)}, not ${JSON.stringify(text)}`);
    };
    return { has, over, leave: () => reader.destroy() };
  };

  test("goes on with what is appended, with a log that was cut, and with another one of its name", async () => {
    writeFileSync(path, "before\n");
    const log = follow(3);
    await log.has("ore\n");
    appendFileSync(path, "more\n");
    await log.has("ore\nmore\n");
    truncateSync(path);
    appendFileSync(path, "cut\n");
    await log.has("ore\nmore\ncut\n");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "new\n");
    await log.has("ore\nmore\ncut\nnew\n");
    log.leave();
    await log.over;
  });

  test("ends when the log is removed, with its VM", async () => {
    writeFileSync(path, "last words\n");
    const log = follow();
    await log.has("last words\n");
    unlinkSync(path);
    await log.over;
  });
});

test("lines are chosen whole, however they come", async () => {
  const pieces = (async function* () {
    for (const piece of ["on", "e\ntw", "o\nthree\nfo", "ur"]) yield Buffer.from(piece);
  })();
  let said = "";
  for await (const line of linesThat(pieces, (line) => line.toString() !== "two")) said += line.toString();
  expect(said).toBe("one\nthree\n");
});
