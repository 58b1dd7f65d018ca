/** Starting a VM: from a row and its disks to a guest that has reached basic.target. */
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { z } from "zod";
import { BangerError, toBangerError, wrap } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { type ColdReason, VmRecord } from "../../state/state.ts";
import { removeTree } from "../../sys/sys.ts";
import type { MachineSpec } from "../../vmm/vmm.ts";
import { type BootSource, limits, type VmContext } from "../deps.ts";
import { Network, RootAttachment } from "../devices.ts";
import { personality } from "../identity.ts";
import { type VmFiles, vmFiles } from "../layout.ts";
import { isOwnMemory } from "../live/suspended.ts";
import { logsHint, MachineEnded, machineEnded, orItsEnd } from "../machine-end.ts";
import { getVm, updateVm } from "../rows.ts";
import { transition } from "../states.ts";
import { talk } from "../talk.ts";
import { forgetWaiting, launchSaved, waiting } from "../warm/go-on.ts";
import { unpackFiles } from "./file-sync.ts";
import { workspace } from "./workspace.ts";

const StartInput = z.strictObject({
  id: VmId,
  /** It has been tried from its template already. */
  templateFailed: z.boolean().optional(),
});
type StartInput = z.infer<typeof StartInput>;

const nothing = z.strictObject({});
const Boot = z.strictObject({
  kernel: z.string(),
  initramfs: z.string(),
  cmdline: z.array(z.string()),
});
type Boot = z.infer<typeof Boot>;
const Root = z.strictObject({ root: RootAttachment });
type Root = z.infer<typeof Root>;
const Connected = z.strictObject({ network: Network.nullable() });
type Connected = z.infer<typeof Connected>;
const Machine = z.strictObject({ machine: VmRecord.shape.machine.unwrap() });
type Machine = z.infer<typeof Machine>;

const mark: Step<VmContext, StartInput, object> = {
  name: "mark_starting",
  output: nothing,
  do: async ({ id, deps }, { templateFailed }) => {
    const vm = getVm(deps.state, id);
    const begun = { state: transition(vm, "start"), lastError: null };
    // Only the first start finds the disks as the template's memory knows them; a checkpoint's are as they were.
    const first = vm.state === "created" || vm.checkpoint !== null;
    const why = templateFailed === true ? "failed" : "again";
    const cold = first ? {} : { warm: null, start: { how: "cold" as const, why: why as ColdReason } };
    updateVm(deps.state, deps.paths, id, { ...begun, ...cold });
    return {};
  },
  // What went wrong is written by whoever ran the list: here is only the way back from a start nobody waits for.
  undo: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    // Running: what failed came after mark_running had written the row.
    if (vm?.state !== "starting" && vm?.state !== "running") return;
    const state = vm.checkpoint === null ? transition(vm, "start_undone") : "suspended";
    updateVm(deps.state, deps.paths, id, { state, machine: null });
  },
};

/** Everything the machine will need is there and whole, before anything is started. */
const preflight: Step<VmContext, StartInput, Boot> = {
  name: "preflight",
  output: Boot,
  do: async ({ id, deps }) => {
    const vm = getVm(deps.state, id);
    const source: BootSource = await deps.bootSource(vm.image.id, vm.kernel.id);
    return { kernel: source.vmlinux, initramfs: source.initramfs, cmdline: [...source.cmdline] };
  },
};

const rootDevice: Step<VmContext, StartInput, Root> = {
  name: "root_device",
  output: Root,
  do: async (ctx) => {
    const { id, deps } = ctx;
    const halted = await waiting(ctx);
    if (halted !== undefined) return { root: halted.root };
    const vm = getVm(deps.state, id);
    const goesOn = vm.warm !== null || vm.checkpoint !== null;
    return { root: await deps.devices.attachRoot(vm, { goesOn }) };
  },
  undo: async (ctx) => {
    await forgetWaiting(ctx);
    await ctx.deps.devices.detachRoot(ctx.id);
  },
};

const network: Step<VmContext, StartInput, Connected> = {
  name: "network",
  output: Connected,
  do: async (ctx) => {
    const { id, deps } = ctx;
    const halted = await waiting(ctx);
    if (halted !== undefined) return { network: halted.network };
    return { network: await deps.devices.connect(getVm(deps.state, id)) };
  },
  undo: async (ctx) => {
    await forgetWaiting(ctx);
    await ctx.deps.devices.disconnect(ctx.id);
  },
};

const runDirectory: Step<VmContext, StartInput, object> = {
  name: "run_directory",
  output: nothing,
  do: async (ctx) => {
    const { id, deps } = ctx;
    const { runDir } = vmFiles(deps.paths, id);
    // The machine that waits has its sockets there.
    if ((await waiting(ctx)) !== undefined) return {};
    await removeTree(runDir);
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    return {};
  },
  undo: async (ctx) => {
    await forgetWaiting(ctx);
    await removeTree(vmFiles(ctx.deps.paths, ctx.id).runDir);
  },
};

const launch: Step<VmContext, StartInput & Boot & Root & Connected, Machine> = {
  name: "vmm_launch",
  output: Machine,
  do: async ({ id, deps }, made, signal) => {
    const spec = machineSpec(getVm(deps.state, id), vmFiles(deps.paths, id), made);
    const machine = await launchSaved({ id, deps }, (saved) =>
      deps.driver.start({ ...spec, ...saved }, signal),
    );
    updateVm(deps.state, deps.paths, id, { machine });
    return { machine };
  },
  // Killed between the fork and the journal's write, the machine is found by the VM's id all the same.
  undo: async ({ id, deps }, output) => {
    const { runDir } = vmFiles(deps.paths, id);
    const machine = output?.machine ?? (await deps.driver.find(id, runDir));
    if (machine !== undefined) await deps.driver.kill(machine);
  },
};

/** The agent's hello: the guest's kernel runs, its disks are mounted, nothing of its userspace has started. */
const attach: Step<VmContext, StartInput & Machine, object> = {
  name: "agent_hello",
  output: nothing,
  do: async ({ id, deps }, { machine }, signal) => {
    if (deps.runtimes.isBooting(id)) return {};
    const usual = isWarm({ id, deps }) ? limits.restoredHello : limits.agentHello;
    const agentMs = besideOthers(usual, deps);
    const patience = { agentMs, agentAloneMs: agentMs, sshMs: limits.ssh };
    const over = new AbortController();
    const limited = AbortSignal.any([signal, over.signal]);
    const late = AbortSignal.timeout(agentMs);
    const ended = deps.driver.exited(machine, limited).then(() => machineEnded({ id, deps }));
    const asked = talk(deps, id, machine, patience, limited);
    const session = orItsEnd({ id, deps }, machine, asked).catch((error: unknown) => {
      if (signal.aborted || error instanceof MachineEnded) throw error;
      const bySsh = toBangerError(error).details?.ssh;
      const why = late.aborted
        ? ` within ${agentMs / 1000} s${typeof bySsh === "string" ? `, nor by ssh: ${bySsh}` : ""}`
        : `: ${wrap(error, "agent").message}`;
      throw new BangerError("guest_failed", `the guest did not answer${why}`, logsHint(id, deps));
    });
    // Whichever loses the race must not end as an unhandled rejection.
    ended.catch(() => {});
    session.catch(() => {});
    try {
      deps.runtimes.booting(id, await Promise.race([session, ended]));
    } finally {
      over.abort();
    }
    return {};
  },
  undo: async ({ id, deps }) => {
    deps.runtimes.hangUp(id);
  },
};

/** Hostname, keys, addresses, clock, entropy: init waits for this before it starts systemd. */
const personalise: Step<VmContext, StartInput & Connected & Machine, object> = {
  name: "personalise",
  output: nothing,
  do: async ({ id, deps }, { network, machine }, signal) => {
    const session = deps.runtimes.bootingSession(id);
    if (session.channel === "ssh") {
      // It booted without being told who it is, but has the key that it was given in an earlier boot.
      deps.runtimes.attach(id, session);
      return {};
    }
    const start = getVm(deps.state, id).start;
    if (start?.how === "resumed" && isOwnMemory(start.from)) {
      // It is who it was, and nobody else has been since.
      await orItsEnd({ id, deps }, machine, session.setClock(signal));
      deps.runtimes.attach(id, session);
      return {};
    }
    const person = await personality({
      vm: getVm(deps.state, id),
      files: vmFiles(deps.paths, id),
      authorizedKeys: await deps.authorizedKeys(),
      network,
    });
    const restored = isWarm({ id, deps }) ? [AbortSignal.timeout(limits.restoredPersonalise)] : [];
    await orItsEnd(
      { id, deps },
      machine,
      session.personalise(person, AbortSignal.any([signal, ...restored])),
    );
    // From here on workspaces and files may stream in while systemd boots.
    deps.runtimes.attach(id, session);
    return {};
  },
};

const ready: Step<VmContext, StartInput & Machine, object> = {
  name: "guest_ready",
  output: nothing,
  do: async ({ id, deps }, { machine }, signal) => {
    const readyMs = besideOthers(limits.guestReady, deps);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(readyMs)]);
    try {
      const session = deps.runtimes.current(id);
      if (session !== undefined) await orItsEnd({ id, deps }, machine, session.ready(limited));
    } catch (error) {
      if (signal.aborted || error instanceof MachineEnded) throw error;
      const why = limited.aborted ? ` within ${readyMs / 1000} s` : `: ${wrap(error, "boot").message}`;
      throw new BangerError("guest_failed", `the guest did not become ready${why}`, logsHint(id, deps));
    }
    return {};
  },
};

const running: Step<VmContext, StartInput & Machine, object> = {
  name: "mark_running",
  output: nothing,
  do: async ({ id, deps }, { machine }) => {
    const vm = getVm(deps.state, id);
    updateVm(deps.state, deps.paths, id, {
      state: transition(vm, "started"),
      machine,
      startedAt: new Date().toISOString(),
      lastError: null,
    });
    return {};
  },
};

export const startSteps = steps<VmContext, StartInput>("vm.start", "undo", StartInput)
  .step(mark)
  .step(preflight)
  .step(rootDevice)
  .step(network)
  .step(runDirectory)
  .step(launch)
  .step(attach)
  .step(workspace)
  .step(unpackFiles)
  .step(personalise)
  .step(ready)
  .step(running);

/** Guests that boot at once share the host's processors: ten on two of them take five times as long each. */
function besideOthers(ms: number, { state }: VmContext["deps"]): number {
  const booting = state.vms.list().filter((vm) => vm.state === "starting").length;
  return ms * Math.max(1, Math.ceil(booting / availableParallelism()));
}

/** A machine of this VM's, in the files that are its. */
export function machineSpec(vm: VmRecord, files: VmFiles, made: Boot & Root & Connected): MachineSpec {
  return {
    id: vm.id,
    name: vm.name,
    vcpu: vm.spec.vcpu,
    memoryMiB: vm.spec.memoryMiB,
    kernel: made.kernel,
    initramfs: made.initramfs,
    cmdline: made.cmdline,
    disks: [
      { ...made.root, readOnly: false },
      { ...(vm.workDisk ?? { path: files.workDisk, format: "raw" }), readOnly: false },
    ],
    egress: vm.spec.nat ? "nat" : "none",
    ...(made.network === null || made.network.link === null ? {} : { network: made.network.link }),
    runDir: files.runDir,
    consoleLog: files.consoleLog,
    vmmLog: files.vmmLog,
  };
}

/** From a template: if it does not answer soon it can boot instead. What a checkpoint held would be lost by giving up soon. */
function isWarm({ id, deps }: VmContext): boolean {
  return deps.state.vms.get(id)?.start?.how === "warm";
}
