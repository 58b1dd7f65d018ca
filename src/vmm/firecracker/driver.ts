/** The Firecracker driver: one process per machine, launched and ended by a jailer, configured by its API. */
import { readlinkSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { BangerError } from "../../base/base.ts";
import { boundLog, isAlive, type ProcessIdentity, waitForExit } from "../../sys/sys.ts";
import { findProgram } from "../find-program.ts";
import { lastLines, logEnd } from "../log-tail.ts";
import { type Probe, rememberedProbe } from "../remembered-probe.ts";
import type { MachineHandle, MachineSpec, VmmDriver } from "../vmm.ts";
import { cancelled } from "../waiting.ts";
import { FirecrackerApi } from "./api.ts";
import { checkpoint } from "./checkpoint.ts";
import { agentPort } from "./cmdline.ts";
import { checkSpec, machineRequests, restoreRequests } from "./configure.ts";
import { type Jailer, type LaunchedMachine, runFiles } from "./jailer.ts";
import { turn } from "./pause.ts";
import { probeFirecracker } from "./probe.ts";
import { type ApiRequest, maxVcpus, request } from "./requests.ts";
import { forgetSaved, save } from "./save.ts";
import { digestOf, firecrackerStateKey } from "./state-key.ts";
import { canPause, canRestore, driverName } from "./version.ts";
import { connectVsock } from "./vsock.ts";

const consoleBound = { mostBytes: 16 * 1024 * 1024, keepBytes: 1024 * 1024 };
const ownLogBound = { mostBytes: 4 * 1024 * 1024, keepBytes: 256 * 1024 };

export interface FirecrackerOptions {
  /** Names or absolute paths; the first that is there is asked for its version, and is what the jailer launches. */
  programs: readonly string[];
  jailer: Jailer;
  /** A file that remembers the probe's answer until the host boots again or Firecracker changes. */
  probeCache?: string;
  /** In place of looking at the host; for tests. */
  look?: Probe;
}

export function firecrackerDriver({ programs, jailer, probeCache, look }: FirecrackerOptions): VmmDriver {
  const { jail } = jailer;
  const cache = probeCache === undefined ? undefined : { path: probeCache };
  const question = { programs, jailed: jail !== undefined, cache };
  const probe = rememberedProbe(look ?? ((signal) => probeFirecracker(question, signal)));
  const files = (runDir: string) => runFiles(jailer.runPath(runDir));
  const handle = (process: ProcessIdentity, runDir: string): MachineHandle => ({
    driver: driverName,
    process,
    runDir,
  });

  const kill = async ({ process, runDir }: MachineHandle): Promise<void> => {
    // Also one whose process is gone: its jail may not be.
    const own = (await jailer.all()).filter(
      (machine) => machine.runDir === runDir || same(machine.process, process),
    );
    for (const { id } of own) await jailer.end(id);
    for (const path of Object.values(files(runDir))) {
      await unlink(path).catch(() => {
        // It went with its jail, or was never made.
      });
    }
  };

  /** Ends what was launched of a machine that could not be started, and says why it could not. */
  const giveUp = async (spec: MachineSpec, said: number, error: unknown): Promise<never> => {
    const logs = files(spec.runDir);
    const words = await lastLines(logs.log, 0, clean);
    const dying = await lastLines(spec.vmmLog, said, clean);
    await jailer.end(spec.id);
    for (const path of Object.values(logs)) await unlink(path).catch(() => {});
    if (error instanceof BangerError && !["guest_failed", "unavailable"].includes(error.code)) throw error;
    const what = error instanceof Error ? error.message : String(error);
    const heard = [words, dying].filter((text) => text !== "it said nothing").join("; ");
    const went = spec.restore === undefined ? what : `the saved state cannot be restored: ${what}`;
    const message = heard === "" ? went : `${went}: ${heard}`;
    if (/Cannot allocate memory|os error 12\b/.test(message)) {
      throw new BangerError(
        "no_space",
        `the host has no ${spec.memoryMiB} MiB of memory for it: ${message}`,
        {
          hint: "give it less: --memory 1G",
          cause: error,
        },
      );
    }
    throw new BangerError("guest_failed", message, { hint: `its log: ${spec.vmmLog}`, cause: error });
  };

  const requests = (spec: MachineSpec, { view }: LaunchedMachine): ApiRequest[][] => {
    if (spec.restore === undefined) return machineRequests(spec, view);
    if (jail === undefined)
      throw new BangerError(
        "precondition",
        "a machine is restored in a jail: without one its files have other names",
      );
    return restoreRequests(spec, jail);
  };

  return {
    name: driverName,
    capabilities: {
      maxVcpus,
      ...{ qcow2: false, userModeNetwork: false, saveRestore: jail !== undefined },
      ...{ frozenDisks: "copies", keepsConnections: false },
    },
    guestModules: ["virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "vmw_vsock_virtio_transport"],
    probe,

    start: async (spec, signal) => {
      checkSpec(spec);
      const { usable, reason, hint } = await probe();
      if (!usable) throw new BangerError("host_missing", reason ?? "Firecracker cannot be used", { hint });
      if (signal?.aborted) throw cancelled(signal.reason);
      const said = await logEnd(spec.vmmLog);
      let launched: LaunchedMachine;
      try {
        launched = await jailer.launch(spec, signal);
      } catch (error) {
        if (error instanceof BangerError && error.code !== "guest_failed") throw error;
        const what = error instanceof Error ? error.message : String(error);
        const words = await lastLines(spec.vmmLog, said, clean, "");
        throw new BangerError(
          "guest_failed",
          words === "" || what.includes(words) ? what : `${what}: ${words}`,
          {
            hint:
              words === ""
                ? "on a full disk it ends without a word: df -h; else: banger doctor"
                : `its log: ${spec.vmmLog}`,
            cause: error,
          },
        );
      }
      try {
        const { api, log, metrics } = files(spec.runDir);
        // Before 1.14 Firecracker opens them, but does not make them.
        for (const path of [log, metrics]) await (await open(path, "a", 0o600)).close();
        const client = new FirecrackerApi(api);
        for (const batch of requests(spec, launched)) await all(batch, (one) => client.send(one, signal));
      } catch (error) {
        await giveUp(spec, said, signal?.aborted ? cancelled(signal.reason) : error);
      }
      return handle(launched.process, spec.runDir);
    },

    find: async (id) => {
      const found = await jailer.find(id);
      return found?.process === undefined ? undefined : handle(found.process, found.runDir);
    },
    findIn: async (runDir) =>
      (await jailer.all()).flatMap((machine) =>
        machine.runDir === runDir && machine.process !== undefined ? [handle(machine.process, runDir)] : [],
      ),
    alive: async ({ process }) => isAlive(process),

    exited: async ({ process, runDir }, signal) => {
      if (!isAlive(process)) return;
      // Somebody waits for as long as a machine runs: so long nothing that its guest can cause fills the host's disk.
      const over = new AbortController();
      for (const log of outputsOf(process)) boundLog(log, consoleBound, over.signal);
      // Firecracker does not append to these: cut, they have a hole where they were cut.
      const { log, metrics } = files(runDir);
      for (const path of [log, metrics]) boundLog(path, ownLogBound, over.signal);
      try {
        await waitForExit(process, signal);
      } finally {
        over.abort();
      }
    },

    agentStream: ({ process, runDir }, signal) =>
      connectVsock({ socket: files(runDir).vsock, port: agentPort, alive: () => isAlive(process) }, signal),

    signal: async ({ process, runDir }, number) => {
      const machine = (await jailer.all()).find(
        (one) => same(one.process, process) || (one.process === undefined && one.runDir === runDir),
      );
      if (machine !== undefined) await jailer.signal(machine.id, process, number);
    },

    pause: async ({ runDir }, signal) => {
      const { version } = await probe();
      if (!canPause(version))
        throw new BangerError("precondition", `VMs cannot be paused with Firecracker ${version}`);
      await turn(files(runDir).api, "Paused", signal);
    },
    resume: async ({ runDir }, signal) => {
      await turn(files(runDir).api, "Running", signal);
      if (jail !== undefined) await forgetSaved(jailer.runPath(runDir));
    },

    pressPowerButton: async ({ runDir }, signal) => {
      await new FirecrackerApi(files(runDir).api).send(
        request.action({ action_type: "SendCtrlAltDel" }),
        signal,
      );
    },
    ...(jail === undefined
      ? {}
      : {
          save: ({ runDir }, to, signal) =>
            save({ here: jailer.runPath(runDir), there: jail.run }, to, signal),
          checkpoint: async ({ runDir }, request, signal) => {
            const { version } = await probe();
            if (!canPause(version) || !canRestore(version))
              throw new BangerError("precondition", `VMs cannot be saved with Firecracker ${version}`);
            return checkpoint({ here: jailer.runPath(runDir), there: jail.run }, request, signal);
          },
          stateKey: async (spec) => {
            const { version } = await probe();
            const program = programs.map(findProgram).find((path) => path !== undefined);
            if (program === undefined || !canRestore(version)) return undefined;
            return firecrackerStateKey(spec, { version, digest: await digestOf(program) }, jail);
          },
        }),
    kill,
  };
}

/** All at once; the first failure is thrown when none is under way any more. */
async function all<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled(items.map(act))) {
    if (result.status === "rejected") throw result.reason;
  }
}

function same(a: ProcessIdentity | undefined, b: ProcessIdentity): boolean {
  return a?.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

/** Where a machine's console and its own complaints go: the files behind its standard output and error. */
function outputsOf({ pid }: ProcessIdentity): string[] {
  return [1, 2].flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return path.startsWith("/") && !path.startsWith("/dev/") ? [path] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

/** Without the time and the names that begin Firecracker's lines: "2026-11-23T10:00:00.123456789 [VMID:main:ERROR] ". */
function clean(line: string): string {
  return line.replace(/^\S+ \[[^\]]*\] /, "");
}
