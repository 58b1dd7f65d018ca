/** Snapshots: a checkpoint that is sealed and has a name, and a VM that becomes again what it was then. */
import { join } from "node:path";
import { z } from "zod";
import { VmId } from "../../base/ids.ts";
import { createLayer } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import type { VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { SnapshotAbout } from "../live/needed-checkpoints.ts";
import { getVm, updateVm } from "../rows.ts";
import { CheckpointInput, type Frozen, layers, memory, record, removeUnusedLayers } from "./checkpoint.ts";
import { network, rootDevice, runDirectory, vmmEnd } from "./end.ts";

const SnapshotInput = CheckpointInput.extend({ name: z.string() });
type SnapshotInput = z.infer<typeof SnapshotInput>;
const nothing = z.strictObject({});

/** From here on it is there. */
const seal: Step<VmContext, SnapshotInput & Frozen, object> = {
  name: "seal",
  output: nothing,
  do: async ({ id, deps }, { checkpoint, name, frozen }) => {
    const { spec, layers } = getVm(deps.state, id);
    const disks = { rootDisk: { ...frozen.root, strategy: "overlay" }, workDisk: frozen.work };
    await deps.checkpoints.seal(checkpoint, SnapshotAbout.parse({ vm: id, name, spec, layers, ...disks }));
    return {};
  },
};

export const snapshotSteps = steps<VmContext, SnapshotInput>("vm.snapshot", "undo", SnapshotInput)
  .step(layers)
  .step(record)
  .step(memory)
  .step(seal);

const RestoreInput = z.strictObject({
  id: VmId,
  checkpoint: z.uuid(),
  about: SnapshotAbout,
  /** What its new layers are called. */
  layer: z.string().regex(/^[0-9a-f]{8}$/),
});
type RestoreInput = z.infer<typeof RestoreInput>;

/** New layers over the snapshot's disks, in place of all that was written since. */
const disks: Step<VmContext, RestoreInput, object> = {
  name: "restore_disks",
  output: nothing,
  do: async ({ id, deps }, { about, layer, checkpoint }) => {
    const { dir } = vmFiles(deps.paths, id);
    const over = (what: "root" | "work") =>
      createLayer(join(dir, `${what}-${layer}.qcow2`), what === "root" ? about.rootDisk : about.workDisk, {
        durable: true,
      });
    const [root, work] = [await over("root"), await over("work")];
    const { spec, layers, name } = about;
    deps.state.durably(() =>
      updateVm(deps.state, deps.paths, id, {
        ...{ rootDisk: { ...root, strategy: "overlay" }, workDisk: work, layers, spec, warm: null },
        ...{ state: "suspended", machine: null, startedAt: null, lastError: null },
        checkpoint: { id: checkpoint, from: `snapshot ${name}` },
      }),
    );
    return {};
  },
};

const unused: Step<VmContext, RestoreInput, object> = {
  name: "unused_layers",
  output: nothing,
  do: async (ctx) => {
    await removeUnusedLayers(ctx);
    return {};
  },
};

export const restoreSteps = steps<VmContext, RestoreInput>("vm.restore", "redo", RestoreInput, {
  // Gone through once more it would take back what the VM has done since.
  lasts: () => true,
})
  .step(vmmEnd)
  .step(network)
  .step(rootDevice)
  .step(runDirectory)
  .step(disks)
  .step(unused);
