/** The operation machine.launch: a jailed Firecracker that waits at its API socket. */
import { constants, existsSync, fstatSync, lstatSync, readSync, watch } from "node:fs";
import { BangerError, type VmId } from "../../base/base.ts";
import { jailFiles } from "../../rpc/rpc.ts";
import { type BlockDevice, readOnlyMount, type Spawned, signalProcess, spawnAs } from "../../sys/sys.ts";
import { holding } from "../descriptors.ts";
import { requireSnapshot } from "../disk/snapshot.ts";
import { kernelDirectory, savedFiles, stateFiles } from "../names.ts";
import type { Operation, Site } from "../operation.ts";
import { findVmm } from "../programs.ts";
import { openOwned, openState } from "../state-files.ts";
import { findMachine } from "./cgroup.ts";
import { endMachine } from "./end.ts";
import { jailBase, makeJail, openJail, pathInJail } from "./jail.ts";
import { jailerArguments } from "./jailer.ts";

/** jailer and Firecracker take 20 to 50 ms; a host that is short of everything takes longer. */
const answerMs = 30_000;
const sigkill = 9;
const logFlags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;

export interface Plan {
  vm: VmId;
  kernel: string;
  initramfs: string;
  workDisk: string;
  consoleLog: string;
  vmmLog: string;
  /** Of the template or checkpoint that it goes on from. */
  saved: { memory: string; state: string } | undefined;
  background: boolean;
  vcpu: number;
  memoryMiB: number;
}

export const launchMachine: Operation<"machine.launch", Plan> = {
  validate: ({ vm, home, saved, kernel, initramfs, vcpu, memoryMiB }) => {
    const directory = kernelDirectory(kernel);
    return {
      ...stateFiles(vm, home),
      vm,
      saved: saved && savedFiles(saved),
      background: home === "templates",
      kernel: `${directory}/vmlinux`,
      initramfs: `${directory}/${initramfs}`,
      vcpu,
      memoryMiB,
    };
  },

  check: ({ vm }, site) => {
    const running = findMachine(site.places, vm);
    if (running !== undefined)
      throw new BangerError("precondition", `VM ${vm} runs already, as process ${running.pid}`);
    requireSnapshot(vm);
    findVmm(site);
  },

  do: (plan, site, { signal }) => launchIn(site, plan, requireSnapshot(plan.vm), signal),

  undo: async ({ vm }, site) =>
    void (await endMachine.do(vm, site, { signal: new AbortController().signal })),
};

/** Jail, jailer, API socket. `rootDisk` becomes the owner's in the jail. */
export function launchIn(site: Site, plan: Plan, rootDisk: BlockDevice, signal: AbortSignal) {
  return holding(async (hold) => {
    const { vm, vcpu, memoryMiB, background } = plan;
    const { firecracker, jailer } = findVmm(site);
    const state = hold(openState(site));
    const open = (path: string, flags: number, links: "one" | "any") =>
      hold(openOwned(site, state, path, flags, links));
    /**
     * All VMs of a template, or of a checkpoint, have its files before them, and each VMM is a process of the owner's, to whom the
     * files belong: so no link of them is in the jail, through which one VMM could write what the next one runs.
     */
    const toRead = (path: string) => hold(readOnlyMount(open(path, constants.O_RDONLY, "one")));
    const saved = plan.saved && { memory: toRead(plan.saved.memory), state: toRead(plan.saved.state) };
    // Of a launch that was killed: while it has the work disk in its jail, that has two names.
    await endMachine.do(vm, site, { signal });
    await makeJail(site, vm, {
      kernel: open(plan.kernel, constants.O_RDONLY, "any"),
      initramfs: open(plan.initramfs, constants.O_RDONLY, "any"),
      workDisk: open(plan.workDisk, constants.O_RDWR, "one"),
      rootDisk,
      saved: saved !== undefined,
    });
    const stdout = open(plan.consoleLog, logFlags, "one");
    const stderr = open(plan.vmmLog, logFlags, "one");
    const from = fstatSync(stderr).size;
    const args = jailerArguments({
      vm,
      firecracker,
      user: site.user,
      jailBase: jailBase(site),
      vcpu,
      memoryMiB,
      background,
    });
    const mounts = saved && [
      // The jail is root's, down to its root, until jailer has run.
      { mount: saved.memory, at: pathInJail(site, vm, jailFiles.memory) },
      { mount: saved.state, at: pathInJail(site, vm, jailFiles.state) },
    ];
    const machine = spawnAs(jailer, args, { stdout, stderr, ...(mounts && { mounts }) });
    try {
      await whenListening(site, vm, machine, signal);
    } catch (error) {
      // Before it has a control group nothing but its identity leads to it.
      if (machine.identity !== undefined) signalProcess(machine.identity, sigkill);
      await machine.ended;
      throw saying(error, lastWords(stderr, from));
    }
    await openJail(site, vm);
    if (machine.identity === undefined) throw new BangerError("guest_failed", "Firecracker ended at once");
    return { process: machine.identity };
  });
}

/** Resolves when the API socket is there. Rejects when the process ends, on the signal, or after a while. */
async function whenListening(site: Site, vm: VmId, machine: Spawned, signal: AbortSignal): Promise<void> {
  // Also reaps the process, whenever it ends.
  const died = machine.ended.then((status) => {
    throw new BangerError("guest_failed", `Firecracker ended with status ${status}`);
  });
  died.catch(() => {
    // After a launch that went well nobody waits for it any more.
  });
  const late = AbortSignal.timeout(answerMs);
  const over = new AbortController();
  const until = AbortSignal.any([over.signal, late, signal]);
  const there = socketAppears(pathInJail(site, vm, ""), pathInJail(site, vm, jailFiles.apiSocket), until);
  try {
    await Promise.race([there, died]);
  } catch (error) {
    if (!late.aborted) throw error;
    throw new BangerError("guest_failed", `Firecracker did not listen within ${answerMs / 1000} s`, {
      cause: error,
    });
  } finally {
    over.abort();
    await there.catch(() => {});
  }
}

/** Woken by inotify, first when /run is made in the jail, then when the socket is made in /run. */
async function socketAppears(root: string, socket: string, signal: AbortSignal): Promise<void> {
  const there = Promise.withResolvers<void>();
  const onAbort = () => there.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const run = `${root}/run`;
  const look = () => {
    if (lstatSync(socket, { throwIfNoEntry: false })?.isSocket()) there.resolve();
    else if (watchers.length === 1 && existsSync(run)) {
      watchers.push(watch(run, look));
      look();
    }
  };
  const watchers = [watch(root, look)];
  try {
    look();
    signal.throwIfAborted();
    await there.promise;
  } finally {
    for (const watcher of watchers) watcher.close();
    signal.removeEventListener("abort", onAbort);
  }
}

const tailBytes = 4096;

/** The last lines that were written to a log since `from`, fit for a terminal. */
function lastWords(log: number, from: number): string {
  const start = Math.max(from, fstatSync(log).size - tailBytes);
  const bytes = Buffer.alloc(tailBytes);
  const lines = bytes
    .toString("latin1", 0, readSync(log, bytes, 0, bytes.length, start))
    .replace(/[^\n -~]/g, "?")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.slice(-2).join("; ") || "it said nothing";
}

function saying(error: unknown, words: string): unknown {
  if (!(error instanceof BangerError) || error.code !== "guest_failed") return error;
  return new BangerError(error.code, `${error.message}: ${words}`, { hint: error.hint, cause: error });
}
