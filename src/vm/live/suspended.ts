/** What a VM that was suspended is said to go on from: a person's wish, or that nobody has used it for long. */
export const fromSuspend = "suspend";
export const fromIdleness = "idle";
export type SuspendedBy = typeof fromSuspend | typeof fromIdleness;

/** Going on from it, a VM is who it was. */
export function isOwnMemory(from: string): boolean {
  return from === fromSuspend || from === fromIdleness;
}
