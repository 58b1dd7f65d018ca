/**
 * Stopping at a named point, for tests that kill banger's processes there.
 *
 * BANGER_FAILPOINT=LIST.STEP:WHEN:DIR makes the daemon write DIR/hit when it comes to that point, and stand still until
 * DIR/go exists. Unset, as it is for everybody else, nothing of this runs.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Failpoint } from "../pipeline/pipeline.ts";

const grammar = /^([a-z_.]+):(before|after|undo_before|undo_after):(\/.+)$/;

/** The failpoint that the environment asks for, if it does. Throws bad_config for one that is malformed. */
export function failpointFromEnvironment(value: string | undefined): Failpoint | undefined {
  if (value === undefined || value === "") return undefined;
  const [, wantedStep, wantedWhen, dir] = grammar.exec(value) ?? [];
  if (dir === undefined)
    throw new BangerError("bad_config", `BANGER_FAILPOINT=${value} is not STEP:WHEN:DIR`);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  return (step, when) => {
    if (step !== wantedStep || when !== wantedWhen || existsSync(join(dir, "go"))) return;
    writeFileSync(join(dir, "hit"), String(process.pid));
    // Stands still on purpose, timers and sockets included: a process that is about to be killed does nothing more.
    while (!existsSync(join(dir, "go"))) Atomics.wait(cell, 0, 0, 5);
  };
}
