/**
 * A guest that goes on from a template for nobody yet: it runs its first command and is halted. The list is under way for
 * as long as it waits, so that a crash takes it back; it ends when a VM has taken its machine over, or in an undo.
 */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import { copyDisk } from "../../disk/disk.ts";
import type { GuestSession } from "../../guest/guest.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import { removeTree } from "../../sys/sys.ts";
import { limits, type VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import type { Halted } from "../runtime.ts";
import { greet } from "../talk.ts";
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
const Machine = z.strictObject({ machine: VmRecord.shape.machine.unwrap() });
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
    const made = {
      ...{ kernel, initramfs, cmdline: [...cmdline] },
      ...{
        root: await deps.devices.attachRoot(vm, { goesOn: true }),
        network: await deps.devices.connect(vm),
      },
    };
    const files = vmFiles(deps.paths, id);
    await mkdir(files.runDir, { recursive: true, mode: 0o700 });
    const saved = { memory: { path: memory, use: "map" as const }, restore: { state } };
    const machine = await deps.driver.start({ ...machineSpec(vm, files, made), ...saved }, signal);
    return { machine };
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
  do: async ({ deps, offer }, { rootDisk, machine }, signal) => {
    const late = AbortSignal.any([signal, AbortSignal.timeout(limits.spare)]);
    const session = await greet(deps, machine, late);
    try {
      await firstCommand(session, late);
      session.rest(true);
      await deps.driver.pause?.(machine, late);
      const over = new AbortController();
      const ended = deps.driver.exited(machine, over.signal).then(() => {
        throw new Error("its machine ended");
      });
      ended.catch(() => {});
      await Promise.race([offer?.({ rootDisk, halted: { machine, session } }), ended]).finally(() =>
        over.abort(),
      );
    } catch (error) {
      session.close();
      throw error;
    }
    return {};
  },
};

/** Emulated, code is translated when it runs for the first time: what the next command needs is done already. */
async function firstCommand(session: GuestSession, signal: AbortSignal): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    const child = await session.exec({ argv: ["sh", "-c", "true"], cwd: "/" }, signal);
    child.stdin.end();
    await Promise.all([buffer(child.stdout), buffer(child.stderr), child.exit]);
  }
}

export const spareSteps = steps<SpareContext, SpareInput>("vm.spare", "undo", SpareInput)
  .step(directory)
  .step(disks)
  .step(launch)
  .step(wait);
