/**
 * A VM that runs becomes a checkpoint and runs on. What becomes of its disks: see frozen-disks.ts. Where it goes on in layers
 * the row says so before it is so: a layer that nothing was written to is the same as its base.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { removeTree } from "../../sys/sys.ts";
import type { CheckpointRequest } from "../../vmm/vmm.ts";
import { memoryName, stateName } from "../../warm/warm.ts";
import { limits, type VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { getVm, updateVm } from "../rows.ts";
import { Frozen, freezing } from "./frozen-disks.ts";
import { needDriver } from "./pause.ts";
import { machineSpec } from "./start.ts";

export const CheckpointInput = z.strictObject({ id: VmId, checkpoint: z.uuid() });
export type CheckpointInput = z.infer<typeof CheckpointInput>;

const nothing = z.strictObject({});
const Halted = z.strictObject({ haltedMs: z.number() });

export const freeze: Step<VmContext, CheckpointInput, Frozen> = {
  name: "freeze_disks",
  output: Frozen,
  do: (ctx, { checkpoint }, signal) => freezing(ctx.deps).begin(ctx, checkpoint, signal),
  undo: (ctx) => freezing(ctx.deps).forget(ctx),
};

export const record: Step<VmContext, CheckpointInput & Frozen, object> = {
  name: "frozen_record",
  output: nothing,
  do: async ({ id, deps }, { checkpoint, own }) => {
    const change = freezing(deps).onRecord(getVm(deps.state, id), checkpoint, own);
    if (Object.keys(change).length > 0)
      deps.state.durably(() => updateVm(deps.state, deps.paths, id, change));
    return {};
  },
};

/** The machine runs on whatever happens here; a daemon that was killed may have left it halted. */
export const memory: Step<VmContext, CheckpointInput & Frozen, z.infer<typeof Halted>> = {
  name: "checkpoint",
  output: Halted,
  do: async (ctx, { checkpoint, own, frozen }, signal) => {
    const way = freezing(ctx.deps);
    const whenHalted = () => way.finish(ctx, frozen);
    const halted = await saveMemory(ctx, { checkpoint, layers: way.layers(own), whenHalted }, signal);
    // One that is paused has not stood still for this.
    if (getVm(ctx.deps.state, ctx.id).state !== "running") return { haltedMs: 0 };
    await catchUp(ctx, halted);
    return halted;
  },
  undo: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm?.state !== "running" || vm.machine === null || !(await deps.driver.alive(vm.machine))) return;
    await deps.driver.resume?.(vm.machine, AbortSignal.timeout(limits.resumeSaved));
  },
};

/** The guest is told the time. That it cannot be is no reason to fail. */
async function catchUp({ id, deps }: VmContext, halted: z.infer<typeof Halted>): Promise<void> {
  const { runtimes } = deps;
  try {
    const limit = AbortSignal.timeout(limits.setClock);
    const session = deps.driver.capabilities.keepsConnections
      ? runtimes.current(id)
      : await runtimes.session(getVm(deps.state, id), limit);
    await session?.setClock(limit);
  } catch (error) {
    deps.log.warn("the clock of a VM is late", { vm: id, ...halted, error: String(error) });
  }
}

/** Memory and state of the VM's machine, into the checkpoint's directory. */
export async function saveMemory(
  ctx: VmContext,
  {
    checkpoint,
    ...request
  }: { checkpoint: string } & Required<Pick<CheckpointRequest, "layers" | "whenHalted">>,
  signal: AbortSignal,
): Promise<{ haltedMs: number }> {
  const { id, deps } = ctx;
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
    const whenHalted = async () => {
      // Before the guest runs again, and closes them itself.
      if (!deps.driver.capabilities.keepsConnections) endConnections(ctx);
      await request.whenHalted();
    };
    return await take(vm.machine, { receiver, to, layers: request.layers, whenHalted }, signal);
  } finally {
    await removeTree(runDir);
  }
}

/** In the guest they have ended: what is open here hears so, and why. */
function endConnections({ id, deps, warn }: VmContext): void {
  const session = deps.runtimes.current(id);
  // By ssh it goes over the network, which stays.
  if (session?.channel !== "agent") return;
  const { name } = getVm(deps.state, id);
  const open = session.openStreams;
  const why = `VM ${name} was saved, and with ${deps.driver.name} that ends what is connected to its guest`;
  deps.runtimes.hangUp(id, new BangerError("guest_failed", why));
  if (open > 0) warn?.(`${why}: ${open} ${open === 1 ? "command or connection" : "commands or connections"}`);
}

export const checkpointSteps = steps<VmContext, CheckpointInput>("vm.checkpoint", "undo", CheckpointInput)
  .step(freeze)
  .step(record)
  .step(memory);
