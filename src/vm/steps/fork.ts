/** Making a VM that goes on from a checkpoint: like any other, but for its disks. Taken back whole when anything fails. */
import { z } from "zod";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmContext } from "../deps.ts";
import { updateVm } from "../rows.ts";
import { directory, identity, reserve } from "./create.ts";
import { Disks, freezing } from "./frozen-disks.ts";

const ForkInput = z.strictObject({
  record: VmRecord,
  checkpoint: VmRecord.shape.checkpoint.unwrap().unwrap(),
  layers: VmRecord.shape.layers,
  frozen: Disks,
});
export type ForkInput = z.infer<typeof ForkInput>;

const nothing = z.strictObject({});
const Own = VmRecord.pick({ rootDisk: true, workDisk: true });
type Own = z.infer<typeof Own>;

/** The undo of the directory removes these files too. */
const disks: Step<VmContext, ForkInput, Own> = {
  name: "fork_disks",
  output: Own,
  do: (ctx, { frozen }) => freezing(ctx.deps).give(ctx, frozen),
};

const record: Step<VmContext, ForkInput & Own, object> = {
  name: "record",
  output: nothing,
  do: async ({ id, deps }, { rootDisk, workDisk, layers, checkpoint }) => {
    const disks = { rootDisk, workDisk, layers };
    const start = { how: "resumed" as const, from: checkpoint.from };
    updateVm(deps.state, deps.paths, id, { ...disks, checkpoint, start, state: "suspended" });
    return {};
  },
};

export const forkSteps = steps<VmContext, ForkInput>("vm.fork", "undo", ForkInput, { lasts: () => true })
  .step(reserve)
  .step(directory)
  .step(disks)
  .step(identity)
  .step(record);
