/**
 * How the disks of a VM that runs become those of a checkpoint, and what those who go on from it get: the driver says which
 * way its machines can go, and everything that is different is here.
 *
 * Layers: the disks are frozen where they are, under a second name, and the VM and all others go on in layers over them.
 * Copies: the checkpoint gets copies, made while the VM runs and brought up to date while it stands still; so do the others, of
 * those. Nobody stands on anything then.
 */
import { readdir, rename, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { z } from "zod";
import { BangerError, formatBytes } from "../../base/base.ts";
import {
  copyDisk,
  createLayer,
  type DiskFile,
  flushDisk,
  freeSpace,
  linkDisk,
  probeRootDiskStrategy,
  updateCopy,
} from "../../disk/disk.ts";
import { VmRecord } from "../../state/state.ts";
import { removeTree, syncDirectory } from "../../sys/sys.ts";
import type { VmContext } from "../deps.ts";
import { type VmFiles, vmFiles } from "../layout.ts";
import { getVm } from "../rows.ts";
import { type Needed, spareBytes } from "../warm/template-maker.ts";

export const Disk = VmRecord.shape.workDisk.unwrap().unwrap();
export const Disks = z.strictObject({ root: Disk, work: Disk });
export type Disks = z.infer<typeof Disks>;
export const Frozen = z.strictObject({
  frozen: Disks,
  /** What the VM itself goes on with. */
  own: Disks,
});
export type Frozen = z.infer<typeof Frozen>;

export type DisksOnRecord = Pick<VmRecord, "rootDisk" | "workDisk">;

export interface Freezing {
  /** What a checkpoint and that many copies of the VM's disks take of the host's disk. */
  takes(ctx: VmContext, copies: number): Promise<Needed>;
  /** While the VM runs. All that can be done then is. */
  begin(ctx: VmContext, checkpoint: string, signal: AbortSignal): Promise<Frozen>;
  /** Takes that back, whatever there is of it. */
  forget(ctx: VmContext): Promise<void>;
  /** What the VM's row is to say from there on. */
  onRecord(vm: VmRecord, checkpoint: string, own: Disks): Partial<VmRecord>;
  /** What the driver is to let the VM's disks go on in. */
  layers(own: Disks): string[];
  /** While the VM stands still, when its memory is saved. */
  finish(ctx: VmContext, frozen: Disks): Promise<void>;
  /** The same for a VM that is not to run on: its disks are left as its memory knows them, and are on the host's disk. */
  settle(ctx: VmContext): Promise<void>;
  /** Disks like the frozen ones, for this VM, in a directory that it had not been given any in. */
  give(ctx: VmContext, frozen: Disks): Promise<DisksOnRecord>;
  /** As much of `replace` as can be done while the VM still runs, in `aside`. */
  prepare(aside: string, frozen: Disks, signal: AbortSignal): Promise<void>;
  /** Disks like the frozen ones in place of those that the VM has. It does not run. May be called again. */
  replace(ctx: VmContext, frozen: Disks, from: { aside: string; layer: string }): Promise<DisksOnRecord>;
}

export function freezing({ driver }: VmContext["deps"]): Freezing {
  return driver.capabilities.frozenDisks === "layers" ? byLayers : byCopies;
}

export function workDiskOf(vm: VmRecord, files: VmFiles): DiskFile {
  return vm.workDisk ?? { path: files.workDisk, format: "raw" };
}

function disksOf({ id, deps }: VmContext): Disks {
  const vm = getVm(deps.state, id);
  if (vm.rootDisk === null) throw new BangerError("corrupt", `VM ${vm.name} has no root disk on record`);
  const { path, format } = vm.rootDisk;
  return { root: { path, format }, work: workDiskOf(vm, vmFiles(deps.paths, id)) };
}

/** Where they are in a checkpoint. */
function frozenIn(dir: string, { root, work }: Disks): Disks {
  const at = (what: string, { path, format }: DiskFile) => ({
    path: join(dir, what + extname(path)),
    format,
  });
  return { root: at("root", root), work: at("work", work) };
}

async function each(disks: Disks, act: (what: "root" | "work", disk: DiskFile) => Promise<unknown>) {
  await act("root", disks.root);
  await act("work", disks.work);
}

const durable = { durable: true };

async function layersOver(
  dir: string,
  frozen: Disks,
  name: (what: string) => string,
): Promise<DisksOnRecord> {
  const over = (what: "root" | "work") => createLayer(join(dir, name(what)), frozen[what], durable);
  return { rootDisk: { ...(await over("root")), strategy: "overlay" }, workDisk: await over("work") };
}

/** Of new layers, and of what a VM that has just been let go on writes to them before anybody can look. */
const layersBytes = 64 * 1024 ** 2;

async function needRoom(dir: string, bytes: number): Promise<void> {
  if ((await freeSpace(dir)).bytes >= bytes) return;
  throw new BangerError("no_space", "there is too little disk space for the disks of the snapshot", {
    hint: `free ${formatBytes(bytes)} where banger keeps its VMs`,
  });
}

const byLayers: Freezing = {
  takes: async () => ({ files: 1, bytes: 0 }),
  begin: async (ctx, checkpoint) => {
    const disks = disksOf(ctx);
    const files = vmFiles(ctx.deps.paths, ctx.id);
    const dir = await ctx.deps.checkpoints.begin(checkpoint);
    const frozen = frozenIn(dir, disks);
    await each(disks, async (what, disk) => {
      // QEMU flushes it while the guest is halted: what `npm ci` has just written must not be waited for then.
      await flushDisk(disk.path);
      await linkDisk(disk, frozen[what].path);
    });
    const layer = (what: "root" | "work") =>
      createLayer(join(files.dir, `${what}-${checkpoint.slice(0, 8)}.qcow2`), frozen[what], durable);
    const own = { root: await layer("root"), work: await layer("work") };
    for (const made of [dir, join(dir, ".."), files.dir]) await syncDirectory(made);
    return { frozen, own };
  },
  forget: removeUnusedLayers,
  onRecord: ({ layers }, checkpoint, own) => ({
    ...{ rootDisk: { ...own.root, strategy: "overlay" }, workDisk: own.work },
    layers: [...layers, checkpoint],
  }),
  layers: ({ root, work }) => [root.path, work.path],
  finish: async () => {},
  // QEMU has flushed them when it halted the guest.
  settle: async () => {},
  give: ({ id, deps }, frozen) => layersOver(vmFiles(deps.paths, id).dir, frozen, (what) => `${what}.qcow2`),
  prepare: (aside) => needRoom(aside, layersBytes),
  replace: async (ctx, frozen, { layer }) =>
    layersOver(vmFiles(ctx.deps.paths, ctx.id).dir, frozen, (what) => `${what}-${layer}.qcow2`),
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

/** What the machine has written is in its disks' files, whoever else has them open. */
async function flush({ id, deps }: VmContext): Promise<void> {
  await deps.devices.flushRoot(id);
}

/** Where they are in the VM's own directory: by names that are the same in all, and that others know them by. */
function ownPlaces({ id, deps }: VmContext, frozen: Disks): { root: string; work: string } {
  const { dir, workDisk } = vmFiles(deps.paths, id);
  return { root: join(dir, basename(frozen.root.path)), work: workDisk };
}

function ownOnRecord(ctx: VmContext, frozen: Disks): DisksOnRecord {
  const root = { path: ownPlaces(ctx, frozen).root, format: frozen.root.format };
  return { rootDisk: { ...root, strategy: ctx.deps.rootDiskStrategy }, workDisk: null };
}

/** What copies of the disks take of the file system of `dir`. */
async function copyBytes(dir: string, { root, work }: Disks): Promise<number> {
  if ((await probeRootDiskStrategy(dir, { qcow2: false })) === "reflink") return 0;
  const stats = await Promise.all([root, work].map(({ path }) => stat(path)));
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

const byCopies: Freezing = {
  takes: async (ctx, copies) => {
    // The VMM's own file, and the copy that is kept.
    const files = 2;
    return { files, bytes: copies === 0 ? 0 : copies * (await copyBytes(ctx.deps.paths.vms, disksOf(ctx))) };
  },
  begin: async (ctx, checkpoint, signal) => {
    const own = disksOf(ctx);
    const frozen = frozenIn(await ctx.deps.checkpoints.begin(checkpoint), own);
    await flush(ctx);
    // Torn, because the guest writes on; what has changed by the halt is all that is left to do then.
    await each(own, (what, { path }) => copyDisk(path, frozen[what].path, { durable: false, signal }));
    return { frozen, own };
  },
  // The checkpoint's directory goes with the next sweep.
  forget: async () => {},
  onRecord: () => ({}),
  layers: () => [],
  finish: async (ctx, frozen) => {
    const own = disksOf(ctx);
    await flush(ctx);
    await Promise.all(
      (["root", "work"] as const).map((what) => updateCopy(own[what].path, frozen[what].path)),
    );
  },
  settle: async (ctx) => {
    await flush(ctx);
    await each(disksOf(ctx), (_what, { path }) => flushDisk(path));
  },
  give: async (ctx, frozen) => {
    const places = ownPlaces(ctx, frozen);
    await each(frozen, (what, { path }) => copyDisk(path, places[what], durable));
    return ownOnRecord(ctx, frozen);
  },
  prepare: async (aside, frozen, signal) => {
    // A host's disk that runs full takes the root disks of VMs that run with it: their layers have holes.
    await needRoom(aside, (await copyBytes(aside, frozen)) + spareBytes);
    await each(frozen, (what, { path }) => copyDisk(path, join(aside, what), { durable: true, signal }));
  },
  replace: async (ctx, frozen, { aside }) => {
    const places = ownPlaces(ctx, frozen);
    await each(frozen, async (what, { path }) => {
      try {
        await rename(join(aside, what), places[what]);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
        // It is in its place already, or was lost: what is there is no older than the snapshot, and nobody's work.
        await copyDisk(path, places[what], durable);
      }
    });
    await syncDirectory(vmFiles(ctx.deps.paths, ctx.id).dir);
    return ownOnRecord(ctx, frozen);
  },
};
