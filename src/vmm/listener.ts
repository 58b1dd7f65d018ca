/** Who listens on a unix socket: of two VMMs that are started for one machine, the loser must not be taken for the winner. */
import { peerCredentials } from "../sys/sys.ts";
import { appeared } from "./waiting.ts";

/**
 * Resolves when this very process listens at `path`. Of two that were launched for one VM, one finds its socket taken, and
 * ends: then this is never true for it. Rejects on the signal.
 */
export async function listens(path: string, pid: number, signal: AbortSignal): Promise<void> {
  await appeared(path, signal);
  while ((await listenerOf(path)) !== pid) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The process that listens on a socket; undefined when none does. */
export async function listenerOf(path: string): Promise<number | undefined> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {}, error() {} } });
    // Bun's sockets have it; its type declarations do not say so.
    const fd: unknown = Reflect.get(socket, "fd");
    const pid = typeof fd === "number" ? peerCredentials(fd).pid : undefined;
    socket.terminate();
    return pid;
  } catch {
    // bind(2) makes the file, listen(2) a moment later accepts.
    return undefined;
  }
}
