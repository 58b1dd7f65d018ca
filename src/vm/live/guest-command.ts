/** Commands of banger's own in a guest that runs. */
import { buffer } from "node:stream/consumers";
import type { VmId } from "../../base/base.ts";
import type { GuestSession } from "../../guest/guest.ts";
import { limits, type VmDeps } from "../deps.ts";

/** Throws what it said when its status is not 0. */
export async function guestCommand(
  session: GuestSession,
  argv: string[],
  signal: AbortSignal,
): Promise<void> {
  const child = await session.exec({ argv, cwd: "/" }, signal);
  child.stdin.end();
  const [, said, status] = await Promise.all([buffer(child.stdout), buffer(child.stderr), child.exit]);
  if (status !== 0) throw new Error(said.toString().trim());
}

/**
 * What the guest has in its caches is on its disks: its memory may be given up later, and files written a moment ago must not
 * go with it. An image need not have sync(1), so this is no reason to fail.
 */
export async function syncGuest({ runtimes, log }: VmDeps, id: VmId, signal: AbortSignal): Promise<void> {
  const session = runtimes.current(id);
  if (session === undefined) return;
  try {
    await guestCommand(session, ["sync"], AbortSignal.any([signal, AbortSignal.timeout(limits.sync)]));
  } catch (error) {
    if (signal.aborted) throw error;
    log.warn("a guest has not written its files to its disks before it was suspended", {
      vm: id,
      error: String(error),
    });
  }
}
