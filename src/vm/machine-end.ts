/** The end of a machine whose guest is waited for. */
import { BangerError, type VmId } from "../base/base.ts";
import { lastLines, type MachineHandle } from "../vmm/vmm.ts";
import type { VmContext, VmDeps } from "./deps.ts";
import { vmFiles } from "./layout.ts";

/** The end of its stream is seen before that of its process. In ms. */
const endsWithinMs = 300;

export class MachineEnded extends BangerError {}

/** Throws with what the guest's init or, where that has nothing to say, the VMM said last. */
export async function machineEnded({ id, deps }: VmContext): Promise<never> {
  const { vmmLog, consoleLog } = vmFiles(deps.paths, id);
  const gaveUp = await lastLines(consoleLog, 0, (line) => (line.startsWith("banger-init: ") ? line : ""), "");
  const words = gaveUp || (await lastLines(vmmLog, 0, (line) => line));
  throw new MachineEnded(
    "guest_failed",
    `the virtual machine ended while it started: ${words}`,
    logsHint(id, deps),
  );
}

/** Awaits what a guest is to do. That its machine has ended is the better reason than what its end looks like from here. */
export async function orItsEnd<T>(ctx: VmContext, machine: MachineHandle, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const ended = await ctx.deps.driver.exited(machine, AbortSignal.timeout(endsWithinMs)).then(
      () => true,
      () => false,
    );
    if (ended) await machineEnded(ctx);
    throw error;
  }
}

export function logsHint(id: VmId, deps: VmDeps): { hint: string } {
  const name = deps.state.vms.get(id)?.name ?? id;
  return { hint: `see what it said: banger vm logs ${name}` };
}
