/** A signal to a VM's machine, from a person. */
import { BangerError } from "../base/base.ts";
import type { VmRecord } from "../state/state.ts";
import { limits, type VmDeps } from "./deps.ts";
import { endingSignals } from "./steps/end.ts";

/** Sends it. True when it was meant to end the machine: what that leaves is still to be cleared up. */
export async function signalMachine(
  { driver }: Pick<VmDeps, "driver">,
  { name, state, machine }: VmRecord,
  signal: number,
): Promise<boolean> {
  if (machine === null) {
    throw new BangerError("precondition", `VM ${name} is ${state}, there is nothing to kill`);
  }
  await driver.signal(machine, signal);
  if (!endingSignals.has(signal)) return false;
  await driver.exited(machine, AbortSignal.timeout(limits.vmmTerm)).catch(() => {
    // It ignores the signal; who clears up does not ask.
  });
  return true;
}
