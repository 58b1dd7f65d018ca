/**
 * Suspending a VM: halted, its memory saved, its machine ended. Up to the row that says so everything is taken back by letting
 * the machine go on; from there on it is only ended, which can be gone through again.
 */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import type { VmContext } from "../deps.ts";
import { fromIdleness, fromSuspend } from "../live/suspended.ts";
import { getVm, updateVm } from "../rows.ts";
import { transition } from "../states.ts";
import { saveMemory } from "./checkpoint.ts";
import { network, rootDevice, runDirectory, vmmEnd } from "./end.ts";
import { freezing } from "./frozen-disks.ts";
import { pause } from "./pause.ts";

const SuspendInput = z.strictObject({
  id: VmId,
  checkpoint: z.uuid(),
  by: z.enum([fromSuspend, fromIdleness]),
});
type SuspendInput = z.infer<typeof SuspendInput>;
const EndInput = z.strictObject({ id: VmId });
type EndInput = z.infer<typeof EndInput>;
const nothing = z.strictObject({});

/** Its disks stay its own: nobody writes to them until it goes on. */
const memory: Step<VmContext, SuspendInput, object> = {
  name: "checkpoint",
  output: nothing,
  do: async (ctx, { checkpoint }, signal) => {
    await ctx.deps.checkpoints.begin(checkpoint);
    const whenHalted = () => freezing(ctx.deps).settle(ctx);
    await saveMemory(ctx, { checkpoint, layers: [], whenHalted }, signal);
    return {};
  },
};

const seal: Step<VmContext, SuspendInput, object> = {
  name: "seal",
  output: nothing,
  do: async ({ id, deps }, { checkpoint }) => {
    await deps.checkpoints.seal(checkpoint, { suspended: id });
    return {};
  },
};

const mark: Step<VmContext, SuspendInput, object> = {
  name: "mark_suspended",
  output: nothing,
  do: async ({ id, deps }, { checkpoint, by }) => {
    const state = transition(getVm(deps.state, id), "suspend");
    const from = { id: checkpoint, from: by };
    updateVm(deps.state, deps.paths, id, { state, checkpoint: from });
    return {};
  },
  undo: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm?.state === "suspended")
      updateVm(deps.state, deps.paths, id, { state: "running", checkpoint: null });
  },
};

export const suspendSteps = steps<VmContext, SuspendInput>("vm.suspend", "undo", SuspendInput, {
  lasts: () => true,
})
  .step(pause)
  .step(memory)
  .step(seal)
  .step(mark);

const forget: Step<VmContext, EndInput, object> = {
  name: "forget_machine",
  output: nothing,
  do: async ({ id, deps }) => {
    const vm = getVm(deps.state, id);
    if (vm.state !== "suspended") throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}`);
    updateVm(deps.state, deps.paths, id, { machine: null, startedAt: null });
    return {};
  },
};

export const suspendedSteps = steps<VmContext, EndInput>("vm.suspended", "redo", EndInput)
  .step(vmmEnd)
  .step(network)
  .step(rootDevice)
  .step(runDirectory)
  .step(forget);
