/** One copy into a VM at a time: the second waits, and then sees what the first has left. */
import { PassThrough } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { Daemon } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { lockScript } from "./scripts.ts";

/**
 * Runs `work` while a script in the guest holds the lock; its input ends with the work. So the lock goes with us, however we go: the
 * daemon ends the script of a client that has gone. A guest without flock has none.
 */
export async function withWorkspaceLock<T extends NonNullable<unknown>>(
  client: Daemon,
  ref: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const held = new PassThrough();
  const request = { ref, script: lockScript, args: [], input: held, maxBytes: 4096 };
  const done: T[] = [];
  try {
    await guestOutput(client, request, signal, async (output) => {
      try {
        for await (const _ of output) {
          // It says one line, when it has the lock.
          if (done.length === 0) done.push(await work());
          held.end();
        }
      } finally {
        held.end();
      }
    });
  } finally {
    held.end();
  }
  const [result] = done;
  if (result === undefined) throw new BangerError("guest_failed", "the guest gave no lock for the workspace");
  return result;
}
