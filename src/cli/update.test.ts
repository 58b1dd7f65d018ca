import { describe, expect, test } from "bun:test";
import type { Updated, UpdateRequest } from "../update/update.ts";
import { runCli } from "./run-cli.ts";
import { banger, type Session, session } from "./testing/harness.ts";

const found = { installed: "1.2.0", version: "1.3.0", date: "2026-11-20T10:00:00Z" };

async function run(words: readonly string[], outcome: Updated["outcome"] = "updated") {
  const asked: { request: UpdateRequest; asRoot: string }[] = [];
  const result = await banger(["update", ...words], {
    update: async (request, asRoot, { say }) => {
      asked.push({ request, asRoot });
      say("downloading");
      return { outcome, ...found };
    },
  });
  return { ...result, asked: asked[0] };
}

test.each([
  ["current", "v1.2.0 is installed, which is the latest (signed on 2026-11-20)"],
  ["available", "v1.3.0 is to be had (signed on 2026-11-20); v1.2.0 is installed"],
  ["ready", "v1.3.0 is verified, and would work here; nothing was changed: v1.2.0 is installed"],
  ["updated", "v1.3.0 is installed (signed on 2026-11-20)"],
] as const)("an update that is %s is one line, and what goes on is told apart", async (outcome, line) => {
  expect(await run([], outcome)).toMatchObject({ status: 0, out: `${line}\n`, err: "downloading\n" });
  expect((await run(["--quiet"], outcome)).err).toBe("");
  expect(JSON.parse((await run(["--json"], outcome)).out)).toEqual({ outcome, ...found });
});

describe("a download", () => {
  const mib = 1024 ** 2;
  /** What stderr has after two seconds of one, and in the end. */
  async function download(tty: boolean, end: "done" | "broken") {
    let during = "";
    const run: Session = session({
      tty: { stderr: tty },
      update: async (_request, _asRoot, { say, downloaded }) => {
        say("downloading v1.3.0");
        downloaded(0, 40 * mib);
        downloaded(10 * mib, 40 * mib);
        run.advance(2000);
        during = run.err();
        if (end === "broken") throw new Error("the network is gone");
        downloaded(40 * mib, 40 * mib);
        say("it is right");
        return { outcome: "updated", ...found };
      },
    });
    await runCli(["update"], run.ctx);
    return { during, err: run.err() };
  }

  test("is shown on a terminal as it goes on, with its rate, and is gone from it afterwards", async () => {
    const { during, err } = await download(true, "done");
    expect(during).toContain("downloading the release 2.00s [#####---------------] 10M / 40M 5M/s");
    expect(err).toEndWith("\x1b[1A\r\x1b[0Jit is right\n");
    expect((await download(true, "broken")).err).toContain("\x1b[1A\r\x1b[0J");
  });

  test("is nothing but lines in a pipe", async () => {
    const { during, err } = await download(false, "done");
    expect(during).toBe("downloading v1.3.0\n");
    expect(err).toBe("downloading v1.3.0\ndownloading the release: 2.00s\nit is right\n");
  });
});

test("flags are what they say, and what root would type has those that matter", async () => {
  const plain = { check: false, to: undefined, dryRun: false, force: false };
  const none = { manifestUrl: undefined, publicKey: undefined };
  expect((await run([])).asked).toEqual({
    request: { ...plain, ...none },
    asRoot: "sudo /usr/local/bin/banger update",
  });
  expect((await run(["--to", "v1.2.3", "--force", "--dry-run"])).asked).toEqual({
    request: { ...plain, ...none, to: "1.2.3", dryRun: true, force: true },
    asRoot: "sudo /usr/local/bin/banger update --to v1.2.3 --dry-run --force",
  });
  expect((await run(["--check", "--manifest-url", "http://127.0.0.1/m"])).asked?.request).toEqual({
    ...{ ...plain, ...none, check: true },
    manifestUrl: new URL("http://127.0.0.1/m"),
  });
});

test.each([
  [["--check", "--force"], "--check changes nothing"],
  [["--to", "latest"], "is no version, as v1.2.3 is"],
  [["--manifest-url", "nowhere"], "is no address"],
  [["--pubkey-file", "/nowhere/key"], "cannot be read"],
])("%p is refused before anything is asked for", async (words, why) => {
  const { status, err, asked } = await run(words);
  expect([status, asked, err]).toEqual([1, undefined, expect.stringContaining(why)]);
});

test("help tells of no flag that is for tests", async () => {
  const { out } = await banger(["update", "--help"]);
  expect(out).toContain("--dry-run");
  expect(out).not.toContain("--manifest-url");
  expect(out).not.toContain("--pubkey-file");
});
