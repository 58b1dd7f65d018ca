/** Pausing a VM and letting it go on. A pause that was cut short is taken back; a resume is gone through again. */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import type { VmRecord } from "../../state/state.ts";
import { limits, type VmContext } from "../deps.ts";
import { getVm, updateVm } from "../rows.ts";
import { transition } from "../states.ts";

const PauseInput = z.strictObject({ id: VmId });
type PauseInput = z.infer<typeof PauseInput>;
const nothing = z.strictObject({});

/** Throws precondition, with the reason, where the driver cannot do `what`. */
export function needDriver<K extends "pause" | "resume" | "checkpoint">(
  { driver }: VmContext["deps"],
  operation: K,
  what: string,
): NonNullable<VmContext["deps"]["driver"][K]> {
  const found = driver[operation];
  if (found !== undefined) return found;
  throw new BangerError("precondition", `VMs that run on ${driver.name} cannot be ${what} yet`, {
    hint: "those can that run on QEMU, or in a jail on Firecracker",
  });
}

function machineOf({ id, deps }: VmContext): NonNullable<VmRecord["machine"]> {
  const { machine, name, state } = getVm(deps.state, id);
  if (machine === null) throw new BangerError("precondition", `VM ${name} is ${state}, and has no machine`);
  return machine;
}

/** Its processors stand still from here on: its silence is no sign of anything. */
async function halt(ctx: VmContext): Promise<void> {
  const { id, deps } = ctx;
  deps.runtimes.current(id)?.rest(true);
  await needDriver(deps, "pause", "paused")(machineOf(ctx), AbortSignal.timeout(limits.resume));
}

async function goOn(ctx: VmContext): Promise<void> {
  const { id, deps } = ctx;
  await needDriver(deps, "resume", "resumed")(machineOf(ctx), AbortSignal.timeout(limits.resumeSaved));
  deps.runtimes.current(id)?.rest(false);
}

export const pause: Step<VmContext, PauseInput, object> = {
  name: "vmm_pause",
  output: nothing,
  do: async (ctx) => {
    await halt(ctx);
    return {};
  },
  undo: async (ctx) => {
    const vm = ctx.deps.state.vms.get(ctx.id);
    // Paused before, by a person: it was to be suspended, and is to stand still as it did.
    if (vm?.state === "paused") return;
    if (vm?.machine && (await ctx.deps.driver.alive(vm.machine))) await goOn(ctx);
  },
};

const markPaused: Step<VmContext, PauseInput, object> = {
  name: "mark_paused",
  output: nothing,
  do: async ({ id, deps }) => {
    updateVm(deps.state, deps.paths, id, { state: transition(getVm(deps.state, id), "pause") });
    return {};
  },
  undo: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm?.state === "paused") updateVm(deps.state, deps.paths, id, { state: transition(vm, "resume") });
  },
};

const resume: Step<VmContext, PauseInput, object> = {
  name: "vmm_resume",
  output: nothing,
  do: async (ctx) => {
    await goOn(ctx);
    return {};
  },
};

const markResumed: Step<VmContext, PauseInput, object> = {
  name: "mark_resumed",
  output: nothing,
  do: async ({ id, deps }) => {
    const vm = getVm(deps.state, id);
    if (vm.state === "paused") updateVm(deps.state, deps.paths, id, { state: transition(vm, "resume") });
    return {};
  },
};

/** While it was paused no time has passed for it. That its clock is late then is no reason to fail. */
const clock: Step<VmContext, PauseInput, object> = {
  name: "clock",
  output: nothing,
  do: async ({ id, deps, warn }, _input, signal) => {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(limits.setClock)]);
      const session = await deps.runtimes.session(getVm(deps.state, id), limit);
      await session.setClock(limit);
    } catch (error) {
      if (signal.aborted) throw error;
      deps.log.warn("the clock of a VM that was paused is late", { vm: id, error: String(error) });
      warn?.(`its clock could not be set: ${error instanceof Error ? error.message : String(error)}`);
    }
    return {};
  },
};

export const pauseSteps = steps<VmContext, PauseInput>("vm.pause", "undo", PauseInput)
  .step(pause)
  .step(markPaused);

export const resumeSteps = steps<VmContext, PauseInput>("vm.resume", "redo", PauseInput)
  .step(resume)
  .step(markResumed)
  .step(clock);
