/** Where the emulated host's parts are kept: all below build/system, which can be removed at any time. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dir, "../../..");
export const executable = join(root, "dist/banger");
export const kept = join(root, "build/system");

/** Of the host that is up, or was last: its disk, its logs, and the record by which it is found again. */
export const runDir = join(kept, "run");
export const runFiles = {
  disk: join(runDir, "root.qcow2"),
  payload: join(runDir, "payload.tar"),
  consoleLog: join(runDir, "console.log"),
  qemuLog: join(runDir, "qemu.log"),
  record: join(runDir, "host.json"),
} as const;

/** Among what was collected of a host that did not answer any more. scripts/host-kernel.mjs reads it. */
export const silentName = "silent.txt";

/** The size of the payload's disk, which must be the same in all of them: a machine that was saved goes on with another one. */
export const payloadBytes = 256 * 1024 ** 2;

mkdirSync(runDir, { recursive: true, mode: 0o700 });
