/** A channel's ends as streams of this side: with backpressure, and with errors when the connection is lost. */
import { Readable, Writable } from "node:stream";
import type { ClientChannel } from "ssh2";
import type { SshConnection } from "./ssh-connection.ts";

const bufferBytes = 128 * 1024;
/** Written at a time, so that a guest that grants a large window does not fill memory: what follows waits. */
const partBytes = 32 * 1024;

/** Bytes for a reader who may be slow: then the whole connection waits. */
export function outputOf(connection: SshConnection, stalled: Set<Readable>): Readable {
  const out: Readable = new Readable({
    highWaterMark: bufferBytes,
    read: () => {
      stalled.delete(out);
      if (stalled.size === 0) connection.release();
    },
    destroy: (error, done) => {
      stalled.delete(out);
      if (stalled.size === 0) connection.release();
      done(error);
    },
  });
  // The exit says so too; an output that nobody reads must not crash the daemon.
  out.on("error", () => {});
  return out;
}

export function give(connection: SshConnection, stalled: Set<Readable>, out: Readable, chunk: Buffer): void {
  if (out.destroyed || out.readableEnded || out.push(chunk)) return;
  stalled.add(out);
  connection.hold();
}

/**
 * `terminalEnd`: what a terminal's reader takes for the end of its input. It is written in place of the channel's own end, on which
 * sshd may hang the terminal up before it is read.
 */
export function inputOf(
  connection: SshConnection,
  channel: ClientChannel,
  closed: Promise<unknown>,
  terminalEnd?: string,
): Writable {
  // ssh2 never calls back for what is written to a channel that has closed meanwhile.
  const written = (part: Buffer) =>
    Promise.race([new Promise<void>((resolve) => channel.write(part, () => resolve())), closed]);
  const input = new Writable({
    highWaterMark: bufferBytes,
    write: async (chunk: Buffer, _encoding, done) => {
      for (let at = 0; at < chunk.length && channel.writable; at += partBytes) {
        await written(chunk.subarray(at, at + partBytes));
        await connection.drained();
      }
      done();
    },
    final: (done) => {
      if (channel.writable && terminalEnd === undefined) channel.end();
      else if (channel.writable) channel.write(terminalEnd);
      done();
    },
  });
  // A command that ends before it has read everything is no error.
  input.on("error", () => {});
  channel.on("error", () => {});
  return input;
}
