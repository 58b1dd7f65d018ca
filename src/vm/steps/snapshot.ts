/** Snapshots: a checkpoint that is sealed and has a name, and a VM that becomes again what it was then. */
import { z } from "zod";
import { VmId } from "../../base/ids.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import type { VmContext } from "../deps.ts";
import { SnapshotAbout } from "../live/needed-checkpoints.ts";
import { getVm, updateVm } from "../rows.ts";
import { CheckpointInput, freeze, memory, record } from "./checkpoint.ts";
import { network, rootDevice, runDirectory, vmmEnd } from "./end.ts";
import { type Disks, type Frozen, freezing } from "./frozen-disks.ts";

const SnapshotInput = CheckpointInput.extend({ name: z.string() });
type SnapshotInput = z.infer<typeof SnapshotInput>;
const nothing = z.strictObject({});

/** From here on it is there. */
const seal: Step<VmContext, SnapshotInput & Frozen, object> = {
  name: "seal",
  output: nothing,
  do: async ({ id, deps }, { checkpoint, name, frozen }) => {
    const { spec, layers, rootDisk } = getVm(deps.state, id);
    const strategy = rootDisk?.strategy ?? deps.rootDiskStrategy;
    const disks = { rootDisk: { ...frozen.root, strategy }, workDisk: frozen.work };
    await deps.checkpoints.seal(checkpoint, SnapshotAbout.parse({ vm: id, name, spec, layers, ...disks }));
    return {};
  },
};

export const snapshotSteps = steps<VmContext, SnapshotInput>("vm.snapshot", "undo", SnapshotInput)
  .step(freeze)
  .step(record)
  .step(memory)
  .step(seal);

const RestoreInput = z.strictObject({
  id: VmId,
  checkpoint: z.uuid(),
  about: SnapshotAbout,
  /** What its new layers are called. */
  layer: z.string().regex(/^[0-9a-f]{8}$/),
  /** A directory among the checkpoints, for what is made ready beforehand. */
  aside: z.uuid(),
});
export type RestoreInput = z.infer<typeof RestoreInput>;

const frozenOf = ({ rootDisk: { path, format }, workDisk }: SnapshotAbout): Disks => ({
  root: { path, format },
  work: workDisk,
});

/** All that may take long, or fail for want of room, while the VM still runs on. */
const prepare: Step<VmContext, RestoreInput, object> = {
  name: "restore_prepare",
  output: nothing,
  do: async ({ deps }, { about, aside }, signal) => {
    const dir = await deps.checkpoints.begin(aside);
    await freezing(deps).prepare(dir, frozenOf(about), signal);
    return {};
  },
  // What a daemon that was killed has left is swept: nobody needs it.
  undo: async () => {},
};

export const prepareSteps = steps<VmContext, RestoreInput>("vm.prepare", "undo", RestoreInput).step(prepare);

/** Disks like the snapshot's, in place of all that was written since. */
const disks: Step<VmContext, RestoreInput, object> = {
  name: "restore_disks",
  output: nothing,
  do: async (ctx, { about, layer, checkpoint, aside }) => {
    const { id, deps } = ctx;
    const from = { aside: deps.checkpoints.directory(aside), layer };
    // Should the power fail while disks are replaced, no memory that knows the old ones may go on over the new.
    const over = { state: "stopped", checkpoint: null, machine: null, startedAt: null, warm: null } as const;
    deps.state.durably(() => updateVm(deps.state, deps.paths, id, over));
    const disks = await freezing(deps).replace(ctx, frozenOf(about), from);
    const { spec, layers, name } = about;
    deps.state.durably(() =>
      updateVm(deps.state, deps.paths, id, {
        ...{ ...disks, layers, spec, warm: null },
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
    await freezing(ctx.deps).forget(ctx);
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
