/** Which addresses are taken: those of VMs, and of guests that have no row. */
import type { VmDeps } from "./deps.ts";

export function takenAddresses({ state, runtimes }: Pick<VmDeps, "state" | "runtimes">): string[] {
  return [...state.vms.list().flatMap(({ address }) => address ?? []), ...runtimes.lentAddresses];
}
