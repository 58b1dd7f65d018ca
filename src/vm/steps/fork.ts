/** Making a VM that goes on from a checkpoint: like any other, but for its disks. Taken back whole when anything fails. */
import { join } from "node:path";
import { z } from "zod";
import { createLayer } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { updateVm } from "../rows.ts";
import { directory, identity, reserve } from "./create.ts";

const Disk = VmRecord.shape.workDisk.unwrap().unwrap();
const ForkInput = z.strictObject({
  record: VmRecord,
  checkpoint: VmRecord.shape.checkpoint.unwrap().unwrap(),
  layers: VmRecord.shape.layers,
  frozen: z.strictObject({ root: Disk, work: Disk }),
});
export type ForkInput = z.infer<typeof ForkInput>;

const nothing = z.strictObject({});
const Disks = z.strictObject({ root: Disk, work: Disk });
type Disks = z.infer<typeof Disks>;

/** The undo of the directory removes these files too. */
const disks: Step<VmContext, ForkInput, Disks> = {
  name: "fork_disks",
  output: Disks,
  do: async ({ id, deps }, { frozen }) => {
    const { dir } = vmFiles(deps.paths, id);
    const layer = (what: "root" | "work") =>
      createLayer(join(dir, `${what}.qcow2`), frozen[what], { durable: true });
    return { root: await layer("root"), work: await layer("work") };
  },
};

const record: Step<VmContext, ForkInput & Disks, object> = {
  name: "record",
  output: nothing,
  do: async ({ id, deps }, { root, work, layers, checkpoint }) => {
    const disks = { rootDisk: { ...root, strategy: "overlay" }, workDisk: work, layers };
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
