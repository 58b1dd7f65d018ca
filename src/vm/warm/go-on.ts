/** What a start goes on from, instead of booting: a template, or what was saved of the VM itself or of the one it is a fork of. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { VmRecord } from "../../state/state.ts";
import type { MachineHandle, MachineSpec } from "../../vmm/vmm.ts";
import { limits, type VmContext } from "../deps.ts";
import { sweepCheckpoints } from "../live/needed-checkpoints.ts";
import { isSealed } from "../live/suspended.ts";
import { getVm, updateVm } from "../rows.ts";
import type { Halted } from "../runtime.ts";
import { restorable } from "./warm-start.ts";

export type Saved = Required<Pick<MachineSpec, "memory" | "restore">>;

/**
 * Runs `launch` with it. Before anything runs it is written down that it is used up: from the guest's first write on its
 * disks are others than its memory knows. A checkpoint is used up only if the machine could be started.
 */
export async function launchSaved(
  ctx: VmContext,
  launch: (saved: Saved | undefined) => Promise<MachineHandle>,
): Promise<MachineHandle> {
  const { id, deps } = ctx;
  const waiting = await letGoOn(ctx);
  if (waiting !== undefined) return waiting;
  const { checkpoint } = getVm(deps.state, id);
  if (checkpoint === null) return launch(await takeTemplate(ctx));
  deps.checkpoints.hold(checkpoint.id);
  try {
    const { memory, state } = await takeCheckpoint(deps, checkpoint);
    const start = { how: "resumed" as const, from: checkpoint.from };
    deps.state.durably(() => updateVm(deps.state, deps.paths, id, { checkpoint: null, start }));
    try {
      return await launch({ memory: { path: memory, use: "map" }, restore: { state, halted: true } });
    } catch (error) {
      updateVm(deps.state, deps.paths, id, { checkpoint });
      throw error;
    }
  } finally {
    deps.checkpoints.release(checkpoint.id);
    // What the machine has mapped it keeps.
    await sweepCheckpoints(deps);
  }
}

async function takeCheckpoint(
  { checkpoints }: VmContext["deps"],
  { id, from }: NonNullable<VmRecord["checkpoint"]>,
) {
  try {
    return await checkpoints.take(id, { sealed: isSealed(from) });
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "corrupt") throw error;
    throw new BangerError("corrupt", `the saved memory of the VM is damaged: ${error.message}`, {
      hint: "to give it up, and boot from the disks: banger vm stop, then vm start",
    });
  }
}

/** The machine that waits for this VM; one that has ended meanwhile is forgotten, and the VM boots from its disks. */
export async function waiting({ id, deps }: VmContext): Promise<Halted | undefined> {
  const halted = deps.runtimes.halted(id);
  if (halted === undefined || (await deps.driver.alive(halted.machine))) return halted;
  deps.runtimes.takeHalted(id)?.session.close();
  return undefined;
}

/** What it has of the host's is about to be taken away. */
export async function forgetWaiting({ id, deps }: VmContext): Promise<void> {
  const halted = deps.runtimes.takeHalted(id);
  if (halted === undefined) return;
  halted.session.close();
  await deps.driver.kill(halted.machine);
}

/** The machine that was made in advance, if the VM was made with one: its guest has said hello long ago. */
async function letGoOn({ id, deps }: VmContext): Promise<MachineHandle | undefined> {
  const halted = await waiting({ id, deps });
  if (halted === undefined) return undefined;
  deps.runtimes.takeHalted(id);
  await resumeWaiting(deps, halted);
  deps.runtimes.booting(id, halted.session);
  return halted.machine;
}

async function resumeWaiting({ driver }: VmContext["deps"], { machine, session }: Halted): Promise<void> {
  try {
    await driver.resume?.(machine, AbortSignal.timeout(limits.resume));
  } catch (error) {
    // Nobody can cancel it: its time is over, which is a reason to boot, not to fail.
    if (toBangerError(error).code !== "cancelled") throw error;
    throw new BangerError("guest_failed", `it does not answer within ${limits.resume / 1000} s`);
  }
  session.rest(false);
}

/**
 * What may take a start back: its caller, but not that of one that goes on from a checkpoint. Once that guest runs, its
 * memory cannot be gone on from again.
 */
export function mayCancel({ checkpoint }: VmRecord, signal: AbortSignal): AbortSignal[] {
  return checkpoint === null ? [signal] : [];
}

async function takeTemplate({ id, deps }: VmContext): Promise<Saved | undefined> {
  const vm = getVm(deps.state, id);
  if (vm.warm === null) {
    // It was made with a machine that got lost before its first start.
    if (vm.start?.how === "warm")
      updateVm(deps.state, deps.paths, id, { start: { how: "cold", why: "changed" } });
    return undefined;
  }
  const found = await restorable(deps, vm);
  const start =
    "cold" in found
      ? { how: "cold" as const, why: found.cold }
      : { how: "warm" as const, template: found.template.key };
  updateVm(deps.state, deps.paths, id, { warm: null, start });
  if ("cold" in found) return undefined;
  const { memory, state } = found.template;
  return { memory: { path: memory, use: "map" }, restore: { state } };
}
