/** Firecracker's processes by the root helper: jailed, each in a control group of its own. */
import { symlink, unlink } from "node:fs/promises";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { KernelId, VmId } from "../../base/ids.ts";
import { type HelperParams, type Home, jailFiles, type Presence, type Saved } from "../../rpc/rpc.ts";
import { type ProcessIdentity, waitForExit } from "../../sys/sys.ts";
import { type VmPaths, vmFiles } from "../../vm/vm.ts";
import { type JailedMachine, type Jailer, type JailView, listens } from "../../vmm/vmm.ts";
import type { Helper } from "./helper-client.ts";

export interface JailPlaces {
  vms: VmPaths;
  /** Where the helper makes jails. */
  jails: string;
}

/** A link in the VM's run directory, because the jail's own path is too long for sockets. */
const linkName = "jail";

const { kernel, initramfs, rootDisk, workDisk, memory, state, apiSocket } = jailFiles;
const jail: JailView = {
  ...{ kernel, initramfs, disks: [rootDisk, workDisk], run: dirname(apiSocket) },
  saved: { memory, state },
};

/** Between the two system calls it takes nothing; on a host that is short of everything it may have to wait its turn. */
const listenMs = 30_000;

/**
 * The helper has seen the socket: Firecracker binds it, and listens on it a moment later. The helper itself is root, and
 * does not connect to what Firecracker could have put there instead.
 */
async function untilItListens(path: string, process: ProcessIdentity, signal?: AbortSignal): Promise<void> {
  const over = new AbortController();
  const until = AbortSignal.any([over.signal, AbortSignal.timeout(listenMs), ...(signal ? [signal] : [])]);
  const ended = waitForExit(process, until).then(() => {
    throw new BangerError("guest_failed", "Firecracker ended at once");
  });
  ended.catch(() => {
    // It outlives the wait.
  });
  try {
    await Promise.race([listens(path, process.pid, until), ended]);
  } finally {
    over.abort();
  }
}

/** In which directory of the state a VM's own directory is, by one of the files in it. */
export function homeOf(path: string): Home {
  return basename(dirname(dirname(path))) === "templates" ? "templates" : "vms";
}

/** What a state is of, by where it is: templates and checkpoints have a directory of the owner's state each. */
function savedOf(state: string): Saved {
  const directory = dirname(state);
  const name = basename(directory);
  return basename(dirname(directory)) === "templates" ? { template: name } : { checkpoint: name };
}

export function helperJailer(helper: Helper, { vms, jails }: JailPlaces): Jailer {
  const machine = ({ vm, process }: Presence): JailedMachine => ({
    id: vm,
    process: process ?? undefined,
    runDir: vmFiles(vms, vm).runDir,
  });
  const present = async () =>
    (await helper.call("inventory", {})).vms.filter(({ jail, cgroup }) => jail || cgroup);
  return {
    jail,
    runPath: (runDir) => join(runDir, linkName),

    launch: async (request, signal) => {
      const vm = VmId.parse(request.id);
      const link = join(request.runDir, linkName);
      await unlink(link).catch(() => {
        // It was not there.
      });
      await symlink(join(jails, "firecracker", vm, "root", "run"), link);
      const params = {
        vm,
        home: homeOf(request.consoleLog),
        ...(request.restore && { saved: savedOf(request.restore.state) }),
        kernel: KernelId.parse(`sha256:${basename(dirname(request.kernel))}`),
        initramfs: basename(request.initramfs),
        vcpu: request.vcpu,
        memoryMiB: request.memoryMiB,
      };
      const { process } = await helper.call("machine.launch", params, signal);
      try {
        await untilItListens(join(link, basename(apiSocket)), process, signal);
      } catch (error) {
        await helper.call("machine.end", { vm });
        throw error;
      }
      return { process, view: jail };
    },

    signal: async (id, process, signal) => {
      const vm = VmId.parse(id);
      const there = (await present()).find((each) => each.vm === vm)?.process;
      if (there?.pid !== process.pid || there.startTicks !== process.startTicks) return;
      await helper.call("machine.signal", { vm, signal: nameOf(signal) });
    },

    end: async (id) => void (await helper.call("machine.end", { vm: VmId.parse(id) })),
    find: async (id) => (await present()).map(machine).find((each) => each.id === id),
    all: async () => (await present()).map(machine),
  };
}

type SignalName = HelperParams<"machine.signal">["signal"];
const known: readonly SignalName[] = ["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "ABRT"];

function nameOf(signal: number): SignalName {
  const name = known.find((each) => constants.signals[`SIG${each}`] === signal);
  if (name === undefined) {
    throw new BangerError("bad_request", `signal ${signal} cannot be sent to a machine`, {
      hint: `one of these can: ${known.join(" ")}`,
    });
  }
  return name;
}
