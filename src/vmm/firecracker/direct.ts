/**
 * Firecracker without a jail (`jailer_enabled = false`, and tests): started by this process as its own user. Its own
 * seccomp filters are on, all else that a jail keeps from it is not.
 */
import { closeSync, openSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BangerError } from "../../base/base.ts";
import {
  findProcesses,
  identify,
  type ProcessIdentity,
  signalProcess,
  spawnDetached,
  waitForExit,
} from "../../sys/sys.ts";
import { listenerOf, listens } from "../listener.ts";
import { checkSocketPath } from "../socket-path.ts";
import { cancelled } from "../waiting.ts";
import { type JailedMachine, type Jailer, type LaunchRequest, names, runFiles } from "./jailer.ts";

const sigkill = 9;
const killMs = 30_000;
/** The API's socket is there after 2 ms. */
const answerMs = 60_000;

/** `program`: an absolute path. */
export function directJailer(program: string): Jailer {
  const all = async () => machines(program);
  const find = async (id: string) => machines(program).find((machine) => machine.id === id);
  return {
    runPath: (runDir) => runDir,
    find,
    all,

    launch: async (request, signal) => {
      const { api, vsock } = runFiles(request.runDir);
      for (const path of [api, vsock]) checkSocketPath(path);
      const there = await find(request.id);
      if (there?.process !== undefined)
        throw new BangerError("precondition", `the VM runs already, as process ${there.process.pid}`);
      const process = await launch(program, request, signal);
      return {
        process,
        view: {
          kernel: request.kernel,
          initramfs: request.initramfs,
          disks: request.disks.map(({ path }) => path),
          run: request.runDir,
        },
      };
    },

    signal: async (_id, process, number) => {
      signalProcess(process, number);
    },

    end: async (id) => {
      for (const machine of machines(program)) {
        if (machine.id !== id) continue;
        await killProcess(machine.process);
        await removeStale(runFiles(machine.runDir).api);
      }
    },
  };
}

/** Resolves when this very process, and no other, accepts connections on its API's socket. */
async function launch(
  program: string,
  request: LaunchRequest,
  signal: AbortSignal | undefined,
): Promise<ProcessIdentity> {
  const { api } = runFiles(request.runDir);
  const logs = [request.consoleLog, request.vmmLog].map((path) => openSync(path, "a", 0o600));
  const [stdout = -1, stderr = -1] = logs;
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {
    // Without a listener the end of a machine that started well would count as unhandled.
  });
  let identity: ProcessIdentity | undefined;
  try {
    // What it says before it knows its log file would be taken for the guest's console.
    const args = ["--id", request.id, "--api-sock", api, "--level", "Warning"];
    const child = spawnDetached(program, args, { cwd: request.runDir, stdout, stderr });
    child.once("error", (cause) =>
      ended.reject(new BangerError("host_missing", `${program} could not be started`, { cause })),
    );
    child.once("exit", (status, by) =>
      ended.reject(new BangerError("guest_failed", `Firecracker ended with ${by ?? `status ${status}`}`)),
    );
    identity = child.pid === undefined ? undefined : identify(child.pid);
  } finally {
    for (const log of logs) closeSync(log);
  }
  // Gone already: one of the two events says why.
  if (identity === undefined) return ended.promise;
  const late = AbortSignal.timeout(answerMs);
  const over = new AbortController();
  const until = AbortSignal.any([over.signal, late, ...(signal === undefined ? [] : [signal])]);
  try {
    await Promise.race([listens(api, identity.pid, until), ended.promise]);
    return identity;
  } catch (error) {
    await killProcess(identity);
    await removeStale(api);
    if (signal?.aborted) throw cancelled(signal.reason);
    if (!late.aborted) throw error;
    throw new BangerError("guest_failed", `Firecracker did not answer within ${answerMs / 1000} s`);
  } finally {
    over.abort();
  }
}

/** Removes a socket that nobody listens on; of two that were launched at once the loser leaves the winner's. */
async function removeStale(path: string): Promise<void> {
  if ((await listenerOf(path)) !== undefined) return;
  await unlink(path).catch(() => {
    // It was never made.
  });
}

async function killProcess(process: ProcessIdentity): Promise<void> {
  signalProcess(process, sigkill);
  try {
    await waitForExit(process, AbortSignal.timeout(killMs));
  } catch (cause) {
    throw new BangerError(
      "guest_failed",
      `Firecracker (process ${process.pid}) did not end when it was killed`,
      {
        hint: "the kernel holds it, usually for a disk that does not answer: see dmesg",
        cause,
      },
    );
  }
}

/** Banger's machines, by the command line that launch gave them. */
function machines(program: string): (JailedMachine & { process: ProcessIdentity })[] {
  return findProcesses((argv) => argv[0] === program && apiOf(argv) !== undefined).map(
    ({ identity, argv }) => ({
      id: option(argv, "--id") ?? "",
      process: identity,
      runDir: dirname(apiOf(argv) ?? ""),
    }),
  );
}

function apiOf(argv: readonly string[]): string | undefined {
  const api = option(argv, "--api-sock");
  return api !== undefined && basename(api) === names.api && api === join(dirname(api), names.api)
    ? api
    : undefined;
}

function option(argv: readonly string[], name: string): string | undefined {
  const index = argv.indexOf(name);
  return index < 0 ? undefined : argv[index + 1];
}
