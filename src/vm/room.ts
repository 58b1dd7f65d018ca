/** Work that has to be written down while the disk is full: what can be given back is, and it is gone through once more. */
import { toBangerError } from "../base/base.ts";
import { freeSpace } from "../disk/disk.ts";
import type { VmDeps } from "./deps.ts";

export interface Work<T> {
  run(): Promise<T>;
  /** Settles what the failed run has left in the journal. */
  settle(): Promise<void>;
  /** Whether more room could be what an error asks for. */
  wantsRoom(error: unknown): boolean;
}

export async function withRoom<T>({ reserve, state }: VmDeps, work: Work<T>): Promise<T> {
  try {
    return await work.run();
  } catch (error) {
    if (!work.wantsRoom(error)) throw error;
    const released = reserve.release();
    if (!state.reclaim() && !released) throw error;
    await work.settle();
    return await work.run();
  } finally {
    reserve.hold();
  }
}

/** A guest whose disks cannot take a write does not come up. */
const littleBytes = 4 * 1024 ** 2;

/** For a guest that is about to boot: when the disk is full, what is kept for that is given back before, not after it has failed. */
export async function giveRoom({ reserve, state, paths }: VmDeps): Promise<void> {
  if ((await freeSpace(paths.vms)).bytes >= littleBytes) return;
  reserve.release();
  state.reclaim();
}

/** A disk or a memory is full, as far as anybody says. */
export function isFull(error: unknown): boolean {
  return toBangerError(error).code === "no_space";
}

/** The database's disk is full, and nothing else. */
export function isDatabaseFull(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause)
    if ("code" in each && each.code === "SQLITE_FULL") return true;
  return false;
}
