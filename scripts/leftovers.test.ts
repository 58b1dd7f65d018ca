import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endRunning, runningIn } from "./leftovers.mjs";

test("what was started with the temporary directory, and nothing else, is ended when its time is over", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "banger-left-"));
  const start = (seconds: number, dir: string) =>
    Bun.spawn(["setsid", "sleep", String(seconds)], { env: { ...process.env, TMPDIR: dir } });
  const stays = start(600, scratch);
  const ends = start(0.3, scratch);
  const other = start(600, `${scratch}-other`);
  try {
    expect(await endRunning(scratch, 1000)).toEqual([{ pid: expect.any(Number), command: "sleep 600" }]);
    await Promise.all([stays.exited, ends.exited]);
    expect([runningIn(scratch), other.exitCode]).toEqual([[], null]);
  } finally {
    for (const child of [stays, other]) child.kill();
    rmSync(scratch, { recursive: true });
  }
});
