/**
 * A VM that runs becomes a checkpoint and runs on: its disks are frozen where they are, under a second name, and it goes on
 * in layers over them. The row says so before it is so: a layer that nothing was written to is the same as its base.
 */
import { mkdir, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { createLayer, type DiskFile, flushDisk, linkDisk } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import type { VmRecord } from "../../state/state.ts";
import { removeTree, syncDirectory } from "../../sys/sys.ts";
import { memoryName, stateName } from "../../warm/warm.ts";
import { limits, type VmContext } from "../deps.ts";
import { type VmFiles, vmFiles } from "../layout.ts";
import { getVm, updateVm } from "../rows.ts";
import { needDriver } from "./pause.ts";
import { machineSpec } from "./start.ts";

export const CheckpointInput = z.strictObject({ id: VmId, checkpoint: z.uuid() });
export type CheckpointInput = z.infer<typeof CheckpointInput>;

const nothing = z.strictObject({});
const Disk = z.strictObject({ path: z.string(), format: z.enum(["raw", "qcow2"]) });
const Frozen = z.strictObject({
  frozen: z.strictObject({ root: Disk, work: Disk }),
  own: z.strictObject({ root: Disk, work: Disk }),
});
export type Frozen = z.infer<typeof Frozen>;
const Halted = z.strictObject({ haltedMs: z.number() });

export function workDiskOf(vm: VmRecord, files: VmFiles): DiskFile {
  return vm.workDisk ?? { path: files.workDisk, format: "raw" };
}

export const layers: Step<VmContext, CheckpointInput, Frozen> = {
  name: "layers",
  output: Frozen,
  do: async ({ id, deps }, { checkpoint }) => {
    const vm = getVm(deps.state, id);
    const files = vmFiles(deps.paths, id);
    if (vm.rootDisk === null) throw new BangerError("corrupt", `VM ${vm.name} has no root disk on record`);
    const dir = await deps.checkpoints.begin(checkpoint);
    const freeze = async (what: "root" | "work", { path, format }: DiskFile) => {
      // QEMU flushes it while the guest is halted: what `npm ci` has just written must not be waited for then.
      await flushDisk(path);
      const frozen = await linkDisk({ path, format }, join(dir, what + extname(path)));
      const own = join(files.dir, `${what}-${checkpoint.slice(0, 8)}.qcow2`);
      return { frozen, own: await createLayer(own, frozen, { durable: true }) };
    };
    const [root, work] = [await freeze("root", vm.rootDisk), await freeze("work", workDiskOf(vm, files))];
    for (const each of [dir, join(dir, ".."), files.dir]) await syncDirectory(each);
    return { frozen: { root: root.frozen, work: work.frozen }, own: { root: root.own, work: work.own } };
  },
  undo: ({ id, deps }) => removeUnusedLayers({ id, deps }),
};

/** Layers in the VM's directory that its row does not name, and no checkpoint either. */
export async function removeUnusedLayers({ id, deps }: VmContext): Promise<void> {
  const vm = deps.state.vms.get(id);
  if (vm === undefined) return;
  const { dir } = vmFiles(deps.paths, id);
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    if (!/^(root|work)-[0-9a-f]{8}\.qcow2(\.new)?$/.test(name)) continue;
    if (path === vm.rootDisk?.path || path === vm.workDisk?.path || (await stat(path)).nlink > 1) continue;
    await removeTree(path);
  }
}

export const record: Step<VmContext, CheckpointInput & Frozen, object> = {
  name: "layers_record",
  output: nothing,
  do: async ({ id, deps }, { checkpoint, own }) => {
    const vm = getVm(deps.state, id);
    const disks = { rootDisk: { ...own.root, strategy: "overlay" }, workDisk: own.work };
    deps.state.durably(() =>
      updateVm(deps.state, deps.paths, id, { ...disks, layers: [...vm.layers, checkpoint] }),
    );
    return {};
  },
};

/** The machine runs on whatever happens here; a daemon that was killed may have left it halted. */
export const memory: Step<VmContext, CheckpointInput & Frozen, z.infer<typeof Halted>> = {
  name: "checkpoint",
  output: Halted,
  do: async (ctx, { checkpoint, own }, signal) => {
    const halted = await saveMemory(ctx, { checkpoint, layers: [own.root.path, own.work.path] }, signal);
    // So long it has stood still; one that is paused still does.
    const runs = getVm(ctx.deps.state, ctx.id).state === "running";
    const session = runs ? ctx.deps.runtimes.current(ctx.id) : undefined;
    await session?.setClock(AbortSignal.timeout(limits.setClock)).catch((error: unknown) => {
      ctx.deps.log.warn("the clock of a VM is late", { vm: ctx.id, ...halted, error: String(error) });
    });
    return halted;
  },
  undo: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm?.state !== "running" || vm.machine === null || !(await deps.driver.alive(vm.machine))) return;
    await deps.driver.resume?.(vm.machine, AbortSignal.timeout(limits.resume));
  },
};

/** Memory and state of the VM's machine, into the checkpoint's directory. */
export async function saveMemory(
  { id, deps }: VmContext,
  { checkpoint, layers }: { checkpoint: string; layers: readonly string[] },
  signal: AbortSignal,
): Promise<{ haltedMs: number }> {
  const take = needDriver(deps, "checkpoint", "saved while they run");
  const vm = getVm(deps.state, id);
  if (vm.machine === null || vm.rootDisk === null)
    throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}, and has no machine`);
  // Half an id, as a VM's; and found by the next daemon as one that belongs to no VM.
  const runDir = join(deps.paths.run, checkpoint.slice(0, 18));
  const dir = deps.checkpoints.directory(checkpoint);
  const network = { address: "", prefix: 0, gateway: "", dns: "", link: null };
  const boot = { kernel: "", initramfs: "", cmdline: [], root: vm.rootDisk, network };
  const own = { runDir, consoleLog: join(runDir, "console.log"), vmmLog: join(runDir, "vmm.log") };
  await mkdir(runDir, { mode: 0o700 });
  try {
    const receiver = {
      ...machineSpec(vm, vmFiles(deps.paths, id), boot),
      ...own,
      id: checkpoint,
      name: "checkpoint",
    };
    const to = { state: join(dir, stateName), memory: join(dir, memoryName) };
    return await take(vm.machine, { receiver, to, layers }, signal);
  } finally {
    await removeTree(runDir);
  }
}

export const checkpointSteps = steps<VmContext, CheckpointInput>("vm.checkpoint", "undo", CheckpointInput)
  .step(layers)
  .step(record)
  .step(memory);
