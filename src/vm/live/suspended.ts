/** What a VM that was suspended is said to go on from: a person's wish, or that nobody has used it for long. */
import type { VmRecord } from "../../state/state.ts";

export const fromSuspend = "suspend";
export const fromIdleness = "idle";
export type SuspendedBy = typeof fromSuspend | typeof fromIdleness;

export function isAsleep({ state, checkpoint }: Pick<VmRecord, "state" | "checkpoint">): boolean {
  return state === "suspended" && checkpoint?.from === fromIdleness;
}

/** What a fork is said to go on from. */
export const fromForkOf = (name: string) => `fork of ${name}`;

/** A fork's memory is used at once: it is not worth a checksum. */
export function isSealed(from: string): boolean {
  return !from.startsWith(fromForkOf(""));
}

/** Going on from it, a VM is who it was. */
export function isOwnMemory(from: string): boolean {
  return from === fromSuspend || from === fromIdleness;
}
