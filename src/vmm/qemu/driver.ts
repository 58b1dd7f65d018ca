/** The QEMU driver: one process per machine, found again by its -uuid, ended through a pidfd. */
import { unlink } from "node:fs/promises";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { boundLog, isAlive, signalProcess, waitForExit } from "../../sys/sys.ts";
import { logEnd } from "../log-tail.ts";
import { rememberedProbe } from "../remembered-probe.ts";
import { checkSocketPath } from "../socket-path.ts";
import type { DriverProbe, MachineHandle, MachineSpec, VmmDriver } from "../vmm.ts";
import { cancelled } from "../waiting.ts";
import { type Acceleration, qemuArguments, runFiles } from "./arguments.ts";
import { checkpoint } from "./checkpoint.ts";
import { lastWords, spawnQemu, whenAnswering } from "./launch.ts";
import { consoleLogOf, driverName, machineOf, machinesIn } from "./machines.ts";
import { prepareMemory } from "./memory.ts";
import { pause, resume } from "./pause.ts";
import { probeQemu } from "./probe.ts";
import { save } from "./save.ts";
import { qemuStateKey } from "./state-key.ts";
import { tscKhz } from "./tsc.ts";

const sigkill = 9;
/** A killed process is gone within milliseconds, unless the kernel holds it (a dead network disk). */
const killMs = 30_000;

const consoleBound = { mostBytes: 16 * 1024 * 1024, keepBytes: 1024 * 1024 };

export interface QemuOptions {
  /** A file that remembers the probe's answer until the host boots again or QEMU changes: the probe costs 0.1 to 3 s. */
  probeCache?: string;
}

export function qemuDriver(
  options: QemuOptions = {},
): VmmDriver & Required<Pick<VmmDriver, "save" | "checkpoint" | "stateKey">> {
  const cache = options.probeCache === undefined ? undefined : { path: options.probeCache };
  const probe = rememberedProbe((signal) => probeQemu(cache, signal));
  let measured: ReturnType<typeof tscKhz> | undefined;
  const tsc = () => {
    measured ??= tscKhz();
    return measured;
  };

  const accelerated = async (name: DriverProbe["acceleration"]): Promise<Acceleration> =>
    name === "kvm" ? { name } : { name: "tcg", tscKhz: await tsc() };

  const kill = async ({ process, runDir }: MachineHandle): Promise<void> => {
    signalProcess(process, sigkill);
    try {
      await waitForExit(process, AbortSignal.timeout(killMs));
    } catch (cause) {
      throw new BangerError("guest_failed", `QEMU (process ${process.pid}) did not end when it was killed`, {
        hint: "the kernel holds it, usually for a disk that does not answer: see dmesg",
        cause,
      });
    }
    // Of two starts of one machine the loser must not take the winner's sockets with it.
    if (machinesIn(runDir).length > 0) return;
    const files = runFiles(runDir);
    for (const path of Object.values(files)) {
      await unlink(path).catch(() => {
        // QEMU removes some of them itself.
      });
    }
  };

  const exited = async (machine: MachineHandle, signal?: AbortSignal): Promise<void> => {
    if (!isAlive(machine.process)) return;
    // Somebody waits for as long as a machine runs: so long its guest cannot fill the host's disk by its console.
    const over = new AbortController();
    const log = consoleLogOf(machine);
    if (log !== undefined) boundLog(log, consoleBound, over.signal);
    try {
      await waitForExit(machine.process, signal);
    } finally {
      over.abort();
    }
  };

  return {
    name: driverName,
    capabilities: {
      ...{ qcow2: true, userModeNetwork: true, saveRestore: true },
      ...{ frozenDisks: "layers", keepsConnections: true },
    },
    // Everything is on PCI.
    guestModules: ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"],
    probe,

    start: async (spec, signal) => {
      const { agent, qmp } = runFiles(spec.runDir);
      for (const path of [agent, qmp]) checkSocketPath(path);
      const { acceleration, usable, reason, hint } = await probe();
      if (!usable) throw new BangerError("host_missing", reason ?? "QEMU cannot be used", { hint });
      if (signal?.aborted) throw cancelled(signal.reason);
      return alone(spec, async () => {
        await prepareMemory(spec);
        const said = await logEnd(spec.vmmLog);
        const child = await spawnQemu(spec, qemuArguments(spec, await accelerated(acceleration)));
        const machine: MachineHandle = { driver: driverName, process: child.identity, runDir: spec.runDir };
        try {
          await whenAnswering(spec, child, signal);
        } catch (error) {
          await kill(machine);
          if (error instanceof BangerError && error.code !== "guest_failed") throw error;
          const what = error instanceof Error ? error.message : String(error);
          const words = await lastWords(spec.vmmLog, said);
          if (/Cannot allocate memory/.test(words)) {
            throw new BangerError(
              "no_space",
              `the host has no ${spec.memoryMiB} MiB of memory for it: ${words}`,
              {
                hint: "give it less: --memory 1G",
                cause: error,
              },
            );
          }
          const went = spec.restore === undefined ? what : `the saved state cannot be restored: ${what}`;
          throw new BangerError("guest_failed", `${went}: ${words}`, {
            hint: `its log: ${spec.vmmLog}`,
            cause: error,
          });
        }
        return machine;
      });
    },

    find: async (id) => machineOf(id),
    findIn: async (runDir) => machinesIn(runDir),
    alive: async ({ process }) => isAlive(process),
    exited,
    agentStream: ({ runDir }, signal) => openAgentPort(runFiles(runDir).agent, signal),
    signal: async ({ process }, number) => {
      signalProcess(process, number);
    },
    pause,
    resume,
    save,
    checkpoint: async (handle, request, signal) => {
      const { acceleration } = await probe();
      return checkpoint(handle, request, { acceleration: await accelerated(acceleration), kill }, signal);
    },
    stateKey: async (spec) => {
      const { acceleration, version } = await probe();
      return qemuStateKey(spec, await accelerated(acceleration), version);
    },
    kill,
  };
}

/** Run directories in which a machine is being started. */
const starting = new Set<string>();

/**
 * Two QEMUs of one machine would take each other's sockets away before the later one found the pid file and the disks
 * locked (fcntl OFD locks): so there is one at a time, and none beside one that runs.
 */
async function alone<T>(spec: MachineSpec, start: () => Promise<T>): Promise<T> {
  const there = machineOf(spec.id) ?? machinesIn(spec.runDir)[0];
  if (there !== undefined)
    throw new BangerError("precondition", `VM ${spec.name} runs already, as process ${there.process.pid}`);
  if (starting.has(spec.runDir))
    throw new BangerError("precondition", `VM ${spec.name} is being started already`);
  starting.add(spec.runDir);
  try {
    return await start();
  } finally {
    starting.delete(spec.runDir);
  }
}

/** QEMU takes one connection at a time; another one waits in the socket's queue until the first has ended. */
function openAgentPort(path: string, signal?: AbortSignal): Promise<Duplex> {
  return new Promise<Duplex>((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(signal.reason));
    const socket = connect({ path, allowHalfOpen: true });
    const onAbort = () => socket.destroy(cancelled(signal?.reason));
    signal?.addEventListener("abort", onAbort, { once: true });
    const failed = (error: Error) => {
      signal?.removeEventListener("abort", onAbort);
      if (error instanceof BangerError) reject(error);
      else
        reject(
          new BangerError("unavailable", `the VM's agent port cannot be reached: ${error.message}`, {
            cause: error,
          }),
        );
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", failed);
      resolve(socket);
    });
  });
}
