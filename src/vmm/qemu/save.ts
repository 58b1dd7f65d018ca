/**
 * Saving a machine and going on from what was saved, both by QEMU's migration: the source writes a stream of its devices'
 * state, a new QEMU with the same devices reads it (docs/devel/migration in QEMU's tree). The guest's memory is no part of
 * it: it is a file that both map, and the capability x-ignore-shared leaves it out. So a state has 0.7 MB, and clones share
 * the pages that they do not write to.
 */
import { createWriteStream } from "node:fs";
import { unlink, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../../base/base.ts";
import { checkSocketPath } from "../socket-path.ts";
import type { MachineHandle } from "../vmm.ts";
import { cancelled } from "../waiting.ts";
import { runFiles } from "./arguments.ts";
import { isMemoryOf } from "./machines.ts";
import { connectQmp, type Qmp, type QmpEvent } from "./qmp.ts";

/** A save takes 0.2 s; this bounds one on a host whose disk hangs. */
const saveMs = 60_000;

/** Descriptor of the state in a QEMU that restores: a regular file that it reads by itself. */
export const stateDescriptor = 3;

/** Resolves when the guest runs. When the state cannot be read QEMU says why in its log, and ends. */
export async function resume(qmp: Qmp, { halted = false } = {}): Promise<void> {
  if (halted) return resumeHalted(qmp);
  // Nobody says `cont`: the guest ran when it was saved, so QEMU lets it run once the state is there.
  const running = qmp.event(({ event }) => event === "RESUME");
  await Promise.all([
    qmp.execute("migrate-set-capabilities", { capabilities: capabilities("x-ignore-shared") }),
    qmp.execute("migrate-incoming", { uri: `fd:${stateDescriptor}` }),
    running,
  ]);
}

/** It was saved by a machine that never ran (receiver.ts): somebody must say `cont`, once the state is there. */
async function resumeHalted(qmp: Qmp): Promise<void> {
  const ended = migrationEnd(qmp);
  await Promise.all([
    qmp.execute("migrate-set-capabilities", { capabilities: capabilities("events", "x-ignore-shared") }),
    qmp.execute("migrate-incoming", { uri: `fd:${stateDescriptor}` }),
    ended,
  ]);
  await qmp.execute("cont");
}

/** Resolves when a migration, either way, has gone well. */
export async function migrationEnd(qmp: Qmp): Promise<void> {
  const { data } = await qmp.event(({ event, data }) => event === "MIGRATION" && isEnd(data));
  if (data?.status !== "completed") throw new BangerError("guest_failed", "QEMU could not save the machine");
}

export async function save(
  machine: MachineHandle,
  to: { state: string; memory: string },
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) throw cancelled(signal.reason);
  if (!isMemoryOf(machine, to.memory)) {
    throw new BangerError("precondition", `${to.memory} is not the memory of the machine to be saved`);
  }
  await saveState(machine, to.state, signal);
}

/** All but the memory, of a machine whose memory is shared. */
export async function saveState(machine: MachineHandle, path: string, signal?: AbortSignal): Promise<void> {
  const { qmp: control, state: outlet } = runFiles(machine.runDir);
  checkSocketPath(outlet);
  const late = AbortSignal.timeout(saveMs);
  const until = signal === undefined ? late : AbortSignal.any([signal, late]);
  await writeFile(path, "", { flag: "wx", mode: 0o600 });
  const server = createServer();
  try {
    const [stream] = await listen(server, outlet);
    // r+: a stream is opened later than it is made; after a cancelled save it must not make the file anew.
    const written = stream.then((socket) =>
      pipeline(socket, createWriteStream(path, { flags: "r+" }), { signal: until }),
    );
    await migrate(control, outlet, written, until);
  } catch (error) {
    await unlink(path);
    if (signal?.aborted) throw cancelled(signal.reason);
    if (!late.aborted) throw error;
    throw new BangerError("guest_failed", `QEMU did not save within ${saveMs / 1000} s`, { cause: error });
  } finally {
    server.close();
    await unlink(outlet).catch(() => {
      // close() removes it, or has already.
    });
  }
}

/** Lets QEMU write its state to the socket; `written` settles when all of it has been taken, or could not be. */
async function migrate(
  control: string,
  outlet: string,
  written: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  written.catch(() => {
    // Looked at below, once there is a migration to fail.
  });
  const qmp = await connectQmp(control, signal);
  try {
    await qmp.execute("migrate-set-capabilities", {
      capabilities: capabilities("events", "x-ignore-shared"),
    });
    // The guest is not paused for it first: QEMU does that, and notes that it ran (see resume).
    await Promise.all([migrationEnd(qmp), qmp.execute("migrate", { uri: `unix:${outlet}` }), written]);
  } finally {
    qmp.close();
  }
}

const isEnd = (data: QmpEvent["data"]) =>
  data?.status === "completed" || data?.status === "failed" || data?.status === "cancelled";

export function capabilities(...names: string[]) {
  return names.map((capability) => ({ capability, state: true }));
}

/** Listens; the promise in the array is for the one connection. */
async function listen(server: Server, path: string): Promise<[Promise<Socket>]> {
  const connection = Promise.withResolvers<Socket>();
  server.once("connection", connection.resolve);
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(path, listening.resolve);
  await listening.promise;
  return [connection.promise];
}
