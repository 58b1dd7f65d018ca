/**
 * Making a template: a guest is booted for nobody, goes through what clones will do first, and is saved with its disks.
 * Taken back whole when anything fails; what a crash left is found by the template's id, like a VM's.
 */
import { readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { VmId } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import { createRootDisk, createWorkDisk } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import { removeTree } from "../../sys/sys.ts";
import { memoryName, stateName } from "../../warm/warm.ts";
import { limits, type VmContext, type VmDeps } from "../deps.ts";
import { Network, RootAttachment } from "../devices.ts";
import { generateKey } from "../host-key.ts";
import { personality, writeHostKey } from "../identity.ts";
import { templateFiles, type VmFiles } from "../layout.ts";
import { settle } from "../warm/template-guest.ts";
import { machineSpec } from "./start.ts";

const TemplateInput = z.strictObject({
  /** As a VM that never has a row: nobody's, and without a way out. */
  record: VmRecord,
  key: z.record(z.string(), z.string()),
  source: z.strictObject({
    rootfs: z.string(),
    kernel: z.string(),
    initramfs: z.string(),
    cmdline: z.array(z.string()),
    workSeed: z.string().nullable(),
  }),
});
export type TemplateInput = z.infer<typeof TemplateInput>;

const nothing = z.strictObject({});
const Disks = VmRecord.pick({ rootDisk: true });
type Disks = z.infer<typeof Disks>;
const Devices = z.strictObject({ root: RootAttachment, network: Network.nullable() });
type Devices = z.infer<typeof Devices>;
const Machine = z.strictObject({ machine: VmRecord.shape.machine.unwrap() });
type Machine = z.infer<typeof Machine>;

/** A template is made while nobody waits for it: whatever else wants a processor gets it. */
const priority = constants.priority.PRIORITY_LOW;

const filesOf = ({ id, deps }: VmContext): VmFiles => templateFiles(deps.paths, id);

const directory: Step<VmContext, TemplateInput, object> = {
  name: "directory",
  output: nothing,
  do: async (ctx) => {
    await mkdir(filesOf(ctx).dir, { recursive: true, mode: 0o700 });
    return {};
  },
  // When the template has been published, it is here no more.
  undo: (ctx) => removeTree(filesOf(ctx).dir),
};

const disks: Step<VmContext, TemplateInput, Disks> = {
  name: "disks",
  output: Disks,
  do: async (ctx, { record, source }, signal) => {
    const { dir, workDisk } = filesOf(ctx);
    const rootDisk = await createRootDisk({
      ...{ base: source.rootfs, dir, sizeBytes: record.spec.overlayBytes },
      ...{ strategy: ctx.deps.rootDiskStrategy, durable: false },
    });
    await createWorkDisk({
      ...{ path: workDisk, sizeBytes: record.spec.diskBytes, templatesDir: ctx.deps.paths.workTemplates },
      ...(source.workSeed === null ? {} : { seed: source.workSeed }),
      ...{ durable: false, signal },
    });
    return { rootDisk };
  },
};

const devices: Step<VmContext, TemplateInput & Disks, Devices> = {
  name: "devices",
  output: Devices,
  do: async ({ deps }, { record, rootDisk }) => {
    const vm = { ...record, rootDisk };
    const root = await deps.devices.attachRoot(vm, { goesOn: false });
    return { root, network: await deps.devices.connect(vm) };
  },
  undo: ({ id, deps }) => returnDevices(id, deps),
};

async function returnDevices(id: VmId, { devices }: VmDeps): Promise<void> {
  await devices.disconnect(id);
  await devices.detachRoot(id);
}

const launch: Step<VmContext, TemplateInput & Devices, Machine> = {
  name: "vmm_launch",
  output: Machine,
  do: async (ctx, { record, source, root, network }, signal) => {
    const files = filesOf(ctx);
    await removeTree(files.runDir);
    await mkdir(files.runDir, { recursive: true, mode: 0o700 });
    const spec = machineSpec(record, files, { ...source, root, network });
    const memory = { path: join(files.dir, memoryName), use: "make" as const };
    const machine = await ctx.deps.driver.start({ ...spec, memory }, signal);
    lower(machine.process.pid);
    return { machine };
  },
  undo: async (ctx, output) => {
    const { runDir } = filesOf(ctx);
    const machine = output?.machine ?? (await ctx.deps.driver.find(ctx.id, runDir));
    if (machine !== undefined) await ctx.deps.driver.kill(machine);
    await removeTree(runDir);
  },
};

/** Each of its threads: by the process's number only the first one is meant (setpriority(2)). */
function lower(pid: number): void {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), priority);
  } catch {
    // It has ended: the next step says so. Or a thread has, which wanted no processor any more.
  }
}

const guest: Step<VmContext, TemplateInput & Devices & Machine, object> = {
  name: "guest",
  output: nothing,
  do: async (ctx, { record, network, machine }, signal) => {
    const { deps } = ctx;
    const files = filesOf(ctx);
    // What clones write is longer than that: their kernels need not cut files short.
    const vm = { ...record, name: VmName.parse("t") };
    // It logs in nowhere: nobody has the key that fits, and the host key ends with the template.
    await writeHostKey(files, vm.name, generateKey(vm.name));
    // A device on a bridge stays down: what it is called there is each clone's own, and no clone is to begin with another's.
    const own = network?.link === null ? network : null;
    const person = () => personality({ vm, files, authorizedKeys: [], network: own });
    const over = new AbortController();
    const limited = AbortSignal.any([signal, over.signal, AbortSignal.timeout(limits.template)]);
    const ended = deps.driver.exited(machine, limited).then(() => {
      throw new Error("the template's machine ended");
    });
    ended.catch(() => {});
    try {
      const stream = await deps.driver.agentStream(machine, limited);
      const session = await Promise.race([deps.openSession(stream, limited), ended]);
      try {
        await Promise.race([settle(session, person, limited, deps.templateIdleMs), ended]);
      } finally {
        session.close();
      }
    } finally {
      over.abort();
    }
    return {};
  },
};

const save: Step<VmContext, TemplateInput & Machine, object> = {
  name: "save",
  output: nothing,
  do: async (ctx, { machine }, signal) => {
    const { dir } = filesOf(ctx);
    const to = { state: join(dir, stateName), memory: join(dir, memoryName) };
    await ctx.deps.driver.save?.(machine, to, signal);
    return {};
  },
};

const end: Step<VmContext, TemplateInput & Machine, object> = {
  name: "vmm_end",
  output: nothing,
  do: async (ctx, { machine }) => {
    await ctx.deps.driver.kill(machine);
    await returnDevices(ctx.id, ctx.deps);
    await removeTree(filesOf(ctx).runDir);
    return {};
  },
};

const publish: Step<VmContext, TemplateInput & Disks, object> = {
  name: "publish",
  output: nothing,
  do: async (ctx, { key, rootDisk }) => {
    const { dir, workDisk } = filesOf(ctx);
    if (rootDisk === null) throw new Error("a template without a root disk");
    const { path, format, strategy } = rootDisk;
    const root = { path, format, strategy };
    await ctx.deps.templates?.publish({ directory: dir, id: ctx.id, record: key, root, work: workDisk });
    return {};
  },
};

export const templateSteps = steps<VmContext, TemplateInput>("template.make", "undo", TemplateInput)
  .step(directory)
  .step(disks)
  .step(devices)
  .step(launch)
  .step(guest)
  .step(save)
  .step(end)
  .step(publish);
