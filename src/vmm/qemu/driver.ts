/** The QEMU driver: one process per machine, found again by its -uuid, ended through a pidfd. */
import { existsSync, type FSWatcher, watch } from "node:fs";
import { open, readFile, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { basename } from "node:path";
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import {
  findProcesses,
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  spawnDetached,
  waitForExit,
} from "../../sys/sys.ts";
import type { DriverProbe, MachineHandle, MachineSpec, VmmDriver } from "../vmm.ts";
import { program, qemuArguments, runFiles } from "./arguments.ts";
import { probeQemu } from "./probe.ts";
import { connectQmp } from "./qmp.ts";

const name = "qemu";
/** sun_path of unix(7), without the terminating NUL. */
const maxSocketPath = 107;
const sigkill = 9;

export function qemuDriver(): VmmDriver {
  let probed: Promise<DriverProbe> | undefined;
  const probe = (): Promise<DriverProbe> => {
    probed ??= probeQemu();
    return probed;
  };
  const ours = (argv: string[], id: string) =>
    basename(argv[0] ?? "") === program && argv[argv.indexOf("-uuid") + 1] === id;
  const handle = (process: ProcessIdentity, runDir: string): MachineHandle => ({
    driver: name,
    process,
    runDir,
  });

  const driver: VmmDriver = {
    name,
    capabilities: { qcow2: true, userModeNetwork: true, saveRestore: false },
    probe,

    start: async (spec, signal) => {
      const { acceleration, usable, reason, hint } = await probe();
      if (!usable) throw new BangerError("host_missing", reason ?? "QEMU cannot be used", { hint });
      const files = runFiles(spec.runDir);
      for (const path of [files.agent, files.qmp]) {
        if (Buffer.byteLength(path) > maxSocketPath) {
          throw new BangerError(
            "bad_config",
            `the path ${path} is too long for a socket (${maxSocketPath} bytes)`,
            {
              hint: "set XDG_RUNTIME_DIR to a shorter directory",
            },
          );
        }
      }
      signal?.throwIfAborted();
      const child = await launch(spec, qemuArguments(spec, acceleration === "kvm" ? "kvm" : "tcg"));
      const machine = handle(child.identity, spec.runDir);
      try {
        await Promise.race([qmpAnswers(files.qmp, spec.runDir, signal), child.failed]);
      } catch (error) {
        await driver.kill(machine);
        if (error instanceof BangerError && error.code === "cancelled") throw error;
        throw new BangerError("guest_failed", `QEMU did not start: ${await lastLines(spec.vmmLog)}`, {
          cause: error,
        });
      }
      return machine;
    },

    find: async (id, runDir) => {
      const pid = Number(await readFile(runFiles(runDir).pid, "utf8").catch(() => ""));
      // A pid file may be stale and its number somebody else's: the command line decides.
      const named =
        pid > 0
          ? findProcesses((argv) => ours(argv, id)).find((found) => found.identity.pid === pid)
          : undefined;
      const found = named ?? findProcesses((argv) => ours(argv, id))[0];
      return found === undefined ? undefined : handle(found.identity, runDir);
    },

    findIn: async (runDir) =>
      findProcesses((argv) => basename(argv[0] ?? "") === program && argv.includes(runFiles(runDir).pid)).map(
        (found) => handle(found.identity, runDir),
      ),

    alive: async ({ process }) => isAlive(process),

    exited: async ({ process, runDir }, signal) => {
      if (!isAlive(process)) return;
      // QMP ends with its process: an event, where a pidfd would need a clock.
      const qmp = await connectQmp(runFiles(runDir).qmp, signal).catch(() => undefined);
      if (qmp !== undefined) await endOf(qmp.closed, signal).finally(() => qmp.close());
      await waitForExit(process, signal);
    },

    agentStream: (machine, signal) =>
      new Promise<Duplex>((resolve, reject) => {
        const socket = connect({ path: runFiles(machine.runDir).agent, allowHalfOpen: true });
        const onAbort = () => socket.destroy(new BangerError("cancelled", "cancelled"));
        signal?.addEventListener("abort", onAbort, { once: true });
        socket.once("connect", () => {
          signal?.removeEventListener("abort", onAbort);
          socket.off("error", reject);
          resolve(socket);
        });
        socket.once("error", reject);
      }),

    signal: async ({ process }, number) => {
      signalProcess(process, number);
    },

    kill: async ({ process, runDir }) => {
      signalProcess(process, sigkill);
      await waitForExit(process);
      const files = runFiles(runDir);
      for (const path of [files.agent, files.qmp, files.pid]) {
        await unlink(path).catch(() => {
          // QEMU removes some of them itself.
        });
      }
    },
  };
  return driver;
}

interface Launched {
  identity: ProcessIdentity;
  /** Rejects when the process ends. */
  failed: Promise<never>;
}

async function launch(spec: MachineSpec, args: string[]): Promise<Launched> {
  const log = await open(spec.vmmLog, "a", 0o600);
  try {
    const child = spawnDetached(program, args, { cwd: spec.runDir, stdout: log.fd, stderr: log.fd });
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {
      // Without a listener the end of a machine that started well would count as unhandled.
    });
    child.once("error", (error) => ended.reject(error));
    child.once("exit", (status, signal) => ended.reject(new Error(`QEMU ended with ${signal ?? status}`)));
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) {
      await ended.promise;
      throw new BangerError("guest_failed", "QEMU ended at once");
    }
    return { identity, failed: ended.promise };
  } finally {
    await log.close();
  }
}

/** Resolves when QEMU's control socket has appeared and answered. Woken by inotify. */
async function qmpAnswers(path: string, dir: string, signal?: AbortSignal): Promise<void> {
  const appeared = Promise.withResolvers<void>();
  const onAbort = () => appeared.reject(new BangerError("cancelled", "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dir, () => existsSync(path) && appeared.resolve());
    if (existsSync(path)) appeared.resolve();
    await appeared.promise;
  } finally {
    watcher?.close();
    signal?.removeEventListener("abort", onAbort);
  }
  (await connectQmpListening(path, signal)).close();
}

/** bind(2) makes the file before listen(2) accepts: a refusal in between is tried again at once. */
async function connectQmpListening(path: string, signal?: AbortSignal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await connectQmp(path, signal);
    } catch (error) {
      const refused = error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
      if (!refused || attempt >= 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

async function endOf(closed: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return closed;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([closed, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-2).join("; ") || "it said nothing";
}
