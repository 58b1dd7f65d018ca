/**
 * Waiting for the end of a process that is not a child of ours.
 *
 * pidfd_open(2): "the file descriptor becomes readable when the process terminates". Bun has no call for that, but its
 * sockets can be given any descriptor: this one stays silent while the process lives; at its end the event loop wakes,
 * recv(2) on it fails with ENOTSOCK, and Bun closes it: an event, without a thread, a timer or a wake-up in between.
 */
import { closeSync } from "node:fs";
import { isAlive, type ProcessIdentity } from "./identity.ts";
import { pidfdOpen } from "./shim.ts";

/** Resolves when the process is gone; at once when it is. Rejects only with the signal's reason. */
export async function waitForExit(process: ProcessIdentity, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  try {
    const pidfd = pidfdOpen(process.pid);
    if (pidfd === undefined) return;
    // After the open: the descriptor cannot come to mean another process, but the number may have meant one before it.
    if (isAlive(process)) await endOf(pidfd, signal);
    else closeSync(pidfd);
  } catch {
    // No descriptor left, or a kernel without pidfds (before 5.3): the loop below still finds the end.
    signal?.throwIfAborted();
  }
  await look(process, signal);
}

/** Documented for descriptors (Bun.FdSocketOptions), but its type declarations have forgotten the overload. */
const connectDescriptor = Bun.connect as unknown as (options: Bun.FdSocketOptions) => Promise<Bun.Socket>;

/** Owns the descriptor: it is closed when this settles. */
async function endOf(pidfd: number, signal: AbortSignal | undefined): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const socket = await connectDescriptor({
    fd: pidfd,
    // Errors are of no interest: every way that this "socket" ends leads to close, and isAlive has the last word.
    socket: { data() {}, error() {}, close: () => ended.resolve() },
  });
  const onAbort = () => {
    ended.reject(signal?.reason);
    socket.terminate();
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    await ended.promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

const lookEveryMs = 250;

/** The last resort, and the proof: usually it looks once. */
async function look(process: ProcessIdentity, signal: AbortSignal | undefined): Promise<void> {
  while (isAlive(process)) {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}
