/** Bytes between this process and a stream from the daemon: exact, with backpressure, each way half-closed by itself. */
import type { Readable, Writable } from "node:stream";

/** What a stream says, without taking the other direction down when it has said all, as `for await` alone would. */
export function chunksOf(stream: Readable): AsyncIterable<Uint8Array> {
  return stream.iterator({ destroyOnReturn: false });
}

/**
 * Copies until `from` ends, into what `open` gives, which is asked for when there is something to write. Does not end
 * that: it may be ours for longer. Rejects with the failing side's own error, also when it is closed before everything is
 * written.
 */
export async function copyOut(
  from: AsyncIterable<Uint8Array>,
  open: () => Writable,
  onBytes: (count: number) => void = () => {},
): Promise<void> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  // EPIPE and its kind arrive as events, not from write().
  const onError = (error: Error) => failed.reject(error);
  const onClose = () => failed.reject(Object.assign(new Error("closed by its reader"), { code: "EPIPE" }));
  let to: Writable | undefined;
  const opened = (): Writable => {
    if (to !== undefined) return to;
    to = open();
    to.on("error", onError);
    to.on("close", onClose);
    if (to.destroyed) onClose();
    return to;
  };
  try {
    await Promise.race([pump(from, opened, onBytes), failed.promise]);
  } finally {
    to?.off("close", onClose);
    // The error listener stays: the reader may go away after the last write, and nobody is left to tell.
  }
}

async function pump(
  from: AsyncIterable<Uint8Array>,
  opened: () => Writable,
  onBytes: (count: number) => void,
): Promise<void> {
  for await (const chunk of from) {
    const to = opened();
    onBytes(chunk.length);
    if (!to.write(chunk)) await new Promise<void>((resolve) => to.once("drain", resolve));
  }
}

/** Sends `from` into `to` and half-closes it at the end; stops reading when `to` closes. Never rejects. */
export function feed(from: Readable, to: Writable): () => void {
  const stop = () => {
    from.off("data", onData);
    from.off("end", onEnd);
    from.off("error", onEnd);
    to.off("drain", onDrain);
    to.off("close", stop);
    from.pause();
  };
  const onDrain = () => from.resume();
  const onData = (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
  };
  const onEnd = () => {
    stop();
    to.end();
  };
  // The other side's end is no failure of ours: a command may leave its input unread.
  to.on("error", stop);
  to.on("close", stop);
  to.on("drain", onDrain);
  from.on("data", onData);
  from.on("end", onEnd);
  from.on("error", onEnd);
  if (from.readableEnded) onEnd();
  else from.resume();
  return stop;
}

const goneCodes = ["EPIPE", "EIO", "ECONNRESET", "ERR_STREAM_DESTROYED"];

/** Whoever read what we write has gone: a closed pipe (EPIPE), a terminal that was hung up (EIO). */
export function isReaderGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && goneCodes.some((code) => code === error.code);
}
