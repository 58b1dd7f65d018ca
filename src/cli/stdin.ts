/**
 * This process's stdin as a stream. On a terminal it is Node's. Elsewhere it is read here: with backpressure, Bun's
 * process.stdin (1.4.5) can miss the end of a socket, which is what Node and Bun give the programs they spawn for a
 * pipe, and then spins for ever (met in 1 of 20 runs with 20 MB).
 */
import { read } from "node:fs";
import { Readable } from "node:stream";
import { isatty } from "node:tty";

const chunkBytes = 64 * 1024;
/** A descriptor that its other holders made non-blocking says EAGAIN, and nothing tells when it has more. In ms. */
const againMs = 10;

export function openStdin(): Readable {
  const stdin = isatty(0) ? process.stdin : new Readable({ highWaterMark: chunkBytes, read: readOnce });
  // A terminal that is hung up fails reads (EIO): the end of input, and no reason to die before cleaning up.
  return stdin.on("error", () => {});
}

/** One read, in Bun's thread pool: it may wait for as long as nobody writes. */
function readOnce(this: Readable): void {
  read(0, Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null, (error, count, buffer) => {
    if (this.destroyed) return;
    if (error === null) this.push(count === 0 ? null : buffer.subarray(0, count));
    else if (error.code === "EAGAIN") setTimeout(() => readOnce.call(this), againMs);
    // Closed from the start (EBADF), a directory, a vanished device: there is no input.
    else this.push(null);
  });
}
