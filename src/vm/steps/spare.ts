/**
 * A guest that goes on from a template for nobody yet: it rehearses what a VM does first, and is halted. The list is under way for
 * as long as it waits, so that a crash takes it back; it ends when a VM has taken its machine over, or in an undo.
 */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { copyDisk } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import { removeTree } from "../../sys/sys.ts";
import { limits, type VmContext } from "../deps.ts";
import { Network, RootAttachment } from "../devices.ts";
import { generateKey } from "../host-key.ts";
import { personality, writeHostKey } from "../identity.ts";
import { vmFiles } from "../layout.ts";
import type { Halted } from "../runtime.ts";
import { greet } from "../talk.ts";
import { rehearseStart } from "../warm/template-guest.ts";
import { machineSpec } from "./start.ts";

const SpareInput = z.strictObject({
  /** As a VM that has no row yet. */
  record: VmRecord,
  template: z.strictObject({ key: z.string(), id: z.string() }),
});
type SpareInput = z.infer<typeof SpareInput>;

export interface Made {
  rootDisk: VmRecord["rootDisk"];
  halted: Halted;
}

export interface SpareContext extends VmContext {
  /** Resolves when somebody has taken it, and rejects when nobody wants it any more. Absent where it is only taken back. */
  offer?: (made: Made) => Promise<void>;
}

const nothing = z.strictObject({});
const Disks = VmRecord.pick({ rootDisk: true });
type Disks = z.infer<typeof Disks>;
const Machine = z.strictObject({
  machine: VmRecord.shape.machine.unwrap(),
  root: RootAttachment,
  network: Network.nullable(),
});
type Machine = z.infer<typeof Machine>;

async function templateOf({ deps }: VmContext, { template }: SpareInput) {
  const found = await deps.templates?.take(template);
  if (found === undefined) throw new Error("the template has gone");
  return found;
}

const directory: Step<SpareContext, SpareInput, object> = {
  name: "vm_directory",
  output: nothing,
  do: async ({ id, deps }) => {
    await mkdir(vmFiles(deps.paths, id).dir, { mode: 0o700 });
    return {};
  },
  // With a row of this id it is that VM's, which had just taken it.
  undo: async ({ id, deps }) => {
    if (deps.state.vms.get(id) === undefined) await removeTree(vmFiles(deps.paths, id).dir);
  },
};

/** The undo of the directory removes these files too. */
const disks: Step<SpareContext, SpareInput, Disks> = {
  name: "disks",
  output: Disks,
  do: async (ctx, input) => {
    const { dir, workDisk } = vmFiles(ctx.deps.paths, ctx.id);
    const { root, work } = await templateOf(ctx, input);
    const path = join(dir, basename(root.path));
    await copyDisk(root.path, path, { durable: false });
    await copyDisk(work, workDisk, { durable: false });
    return { rootDisk: { ...root, path } };
  },
};

const launch: Step<SpareContext, SpareInput & Disks, Machine> = {
  name: "vmm_launch",
  output: Machine,
  do: async (ctx, input, signal) => {
    const { id, deps } = ctx;
    const vm = { ...input.record, rootDisk: input.rootDisk };
    const { memory, state } = await templateOf(ctx, input);
    const { vmlinux: kernel, initramfs, cmdline } = await deps.bootSource(vm.image.id, vm.kernel.id);
    const root = await deps.devices.attachRoot(vm, { goesOn: true });
    const network = await deps.devices.connect(vm);
    const made = { kernel, initramfs, cmdline: [...cmdline], root, network };
    const files = vmFiles(deps.paths, id);
    await mkdir(files.runDir, { recursive: true, mode: 0o700 });
    const saved = { memory: { path: memory, use: "map" as const }, restore: { state } };
    const machine = await deps.driver.start({ ...machineSpec(vm, files, made), ...saved }, signal);
    return { machine, root, network };
  },
  undo: async ({ id, deps }, output) => {
    const { runDir } = vmFiles(deps.paths, id);
    const machine = output?.machine ?? (await deps.driver.find(id, runDir));
    if (machine !== undefined) await deps.driver.kill(machine);
    await removeTree(runDir);
    await deps.devices.disconnect(id);
    await deps.devices.detachRoot(id);
  },
};

const wait: Step<SpareContext, SpareInput & Disks & Machine, object> = {
  name: "wait",
  output: nothing,
  do: async ({ id, deps, offer }, { record, rootDisk, ...held }, signal) => {
    const files = vmFiles(deps.paths, id);
    await writeHostKey(files, record.name, generateKey(record.name));
    const { machine, network } = held;
    const nobody = await personality({ vm: record, files, authorizedKeys: [], network });
    const late = AbortSignal.any([signal, AbortSignal.timeout(limits.spare)]);
    const session = await greet(deps, machine, late);
    try {
      await rehearseStart(session, nobody, late);
      session.rest(true);
      await deps.driver.pause?.(machine, late);
      const over = new AbortController();
      const ended = deps.driver.exited(machine, over.signal).then(() => {
        throw new Error("its machine ended");
      });
      ended.catch(() => {});
      await Promise.race([offer?.({ rootDisk, halted: { ...held, session } }), ended]).finally(() =>
        over.abort(),
      );
    } catch (error) {
      session.close();
      throw error;
    }
    return {};
  },
};

export const spareSteps = steps<SpareContext, SpareInput>("vm.spare", "undo", SpareInput)
  .step(directory)
  .step(disks)
  .step(launch)
  .step(wait);
