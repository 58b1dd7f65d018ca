/** From a command line to a QEMU that answers: its death is raced against the appearance of its control socket. */
import { open } from "node:fs/promises";
import { BangerError } from "../../base/base.ts";
import { cleanEnvironment, identify, type ProcessIdentity, spawnDetached } from "../../sys/sys.ts";
import { listens } from "../listener.ts";
import { lastLines } from "../log-tail.ts";
import type { MachineSpec } from "../vmm.ts";
import { cancelled } from "../waiting.ts";
import { program, runFiles } from "./arguments.ts";
import { checkEgressGuard, guardEgress } from "./egress.ts";
import { connectQmp } from "./qmp.ts";
import { resume } from "./save.ts";

/** How long QEMU may take to answer. It takes 50 to 200 ms; a host that is short of everything takes longer. */
const answerMs = 30_000;

export interface Launched {
  identity: ProcessIdentity;
  /** Rejects with the reason when the process ends; never resolves. */
  readonly failed: Promise<never>;
}

/** Starts the process, in a session of its own, with its output appended to the VMM's log. */
export async function spawnQemu(spec: MachineSpec, args: readonly string[]): Promise<Launched> {
  const state = spec.restore === undefined ? undefined : await open(spec.restore.state);
  const log = await open(spec.vmmLog, "a", 0o600);
  try {
    const env = { ...cleanEnvironment(), ...(await guardEgress(spec)) };
    const child = spawnDetached(program, args, {
      ...{ cwd: spec.runDir, env, stdout: log.fd, stderr: log.fd },
      ...(state === undefined ? {} : { third: state.fd }),
    });
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {
      // Without a listener the end of a machine that started well would count as unhandled.
    });
    child.once("error", (error) => ended.reject(notStarted(error)));
    child.once("exit", (status, signal) =>
      ended.reject(new BangerError("guest_failed", `QEMU ended with ${signal ?? `status ${status}`}`)),
    );
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    // Gone already: one of the two events says why.
    return identity === undefined ? await ended.promise : { identity, failed: ended.promise };
  } finally {
    await log.close();
    await state?.close();
  }
}

function notStarted(error: Error): BangerError {
  const missing = "code" in error && error.code === "ENOENT";
  return missing
    ? new BangerError("host_missing", `the program ${program} is not installed`, {
        hint: installHint,
        cause: error,
      })
    : new BangerError("guest_failed", `QEMU could not be started: ${error.message}`, { cause: error });
}

export const installHint =
  "install it: sudo apt-get update && sudo apt-get install --no-install-recommends qemu-system-x86";

/** Resolves when QEMU has answered on its control socket, and a restored guest runs. Rejects when it ends, on the signal, or after a while. */
export async function whenAnswering(
  spec: MachineSpec,
  child: Launched,
  signal?: AbortSignal,
  withinMs = answerMs,
): Promise<void> {
  const late = AbortSignal.timeout(withinMs);
  // Whichever way this ends, nothing of it goes on watching or connecting.
  const over = new AbortController();
  const until = AbortSignal.any([over.signal, late, ...(signal === undefined ? [] : [signal])]);
  try {
    await Promise.race([answer(spec, child, until), child.failed]);
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal.reason);
    if (!late.aborted) throw error;
    throw new BangerError("guest_failed", `QEMU did not answer within ${withinMs / 1000} s`, {
      cause: error,
    });
  } finally {
    over.abort();
  }
}

async function answer(spec: MachineSpec, child: Launched, signal: AbortSignal): Promise<void> {
  const { qmp: path } = runFiles(spec.runDir);
  await listens(path, child.identity.pid, signal);
  const qmp = await connectQmp(path, signal);
  try {
    checkEgressGuard(spec, child.identity.pid);
    if (spec.restore !== undefined) await resume(qmp, spec.restore);
  } finally {
    qmp.close();
  }
}

/** The last thing QEMU said since `from`, without the warnings it always gives; for an error's message. */
export function lastWords(path: string, from: number): Promise<string> {
  return lastLines(path, from, (line) =>
    line.includes("do you want to install") ? "" : line.replace(`${program}: `, ""),
  );
}
