/**
 * Stopping at a named point, for tests that kill banger's processes there.
 *
 * BANGER_FAILPOINT=DIR has the daemon, at every step, look into DIR/point for the point that is wanted (LIST.STEP:WHEN, WHEN
 * being before, after, undo_before or undo_after). When it comes there it writes DIR/hit, and stands still until DIR/go
 * exists. Unset, as it is for everybody else, nothing of this runs.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Failpoint } from "../pipeline/pipeline.ts";

/** The failpoint that the environment asks for, if it does. Throws bad_config for one that is malformed. */
export function failpointFromEnvironment(dir: string | undefined): Failpoint | undefined {
  if (dir === undefined || dir === "") return undefined;
  if (!isAbsolute(dir)) throw new BangerError("bad_config", `BANGER_FAILPOINT=${dir} is no absolute path`);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  return (step, when) => {
    if (wanted(dir) !== `${step}:${when}` || existsSync(join(dir, "go"))) return;
    // Renamed into place: who finds the file finds the whole number in it.
    writeFileSync(join(dir, "hit.new"), String(process.pid));
    renameSync(join(dir, "hit.new"), join(dir, "hit"));
    // Stands still on purpose, timers and sockets included: a process that is about to be killed does nothing more.
    while (!existsSync(join(dir, "go"))) Atomics.wait(cell, 0, 0, 5);
  };
}

function wanted(dir: string): string | undefined {
  try {
    return readFileSync(join(dir, "point"), "utf8").trim();
  } catch {
    // None, at the moment.
    return undefined;
  }
}
