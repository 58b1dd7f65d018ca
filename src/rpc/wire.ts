/**
 * The wire: JSON-RPC 2.0 (messages.ts) in frames with a Content-Length header (frames.ts), over a unix socket, with a
 * limit on every length. Here: how a connection begins, and what of ours travels in the messages.
 *
 * A connection begins with a line that says what it is: `rpc`, or `ticket HEX`. After `ticket` the server answers a
 * line, `ok` or `error MESSAGE`, and from then on the connection carries raw bytes.
 */
import type { Duplex } from "node:stream";
import { BangerError } from "../base/base.ts";

const maxLineBytes = 256;

/**
 * The first line of a connection; what came after it is left in the socket. Read by 'readable', not by 'data' and
 * pause(): whoever gets the socket next finds it as if nobody had touched it. Rejects when the line is too long, or
 * takes too long.
 */
export function firstLine(socket: Duplex, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const finish = (act: () => void) => {
      clearTimeout(timer);
      socket.off("readable", onReadable);
      socket.off("close", onClose);
      act();
    };
    const onReadable = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        bytes = Buffer.concat([bytes, chunk]);
        const end = bytes.indexOf(0x0a);
        if (end >= 0 && end <= maxLineBytes) {
          const rest = bytes.subarray(end + 1);
          if (rest.length > 0) socket.unshift(rest);
          return finish(() => resolve(bytes.toString("latin1", 0, end)));
        }
        if (bytes.length > maxLineBytes)
          return finish(() => reject(new BangerError("bad_request", "the first line is too long")));
      }
    };
    const onClose = () => finish(() => reject(new BangerError("unavailable", "the connection was closed")));
    const timer = setTimeout(
      () => finish(() => reject(new BangerError("timeout", "no first line came"))),
      timeoutMs,
    );
    socket.on("readable", onReadable);
    socket.on("close", onClose);
  });
}

/** An error as it travels in a response's `data`. */
export interface WireError {
  code: string;
  hint?: string | undefined;
  details?: Record<string, unknown> | undefined;
  opId?: string | undefined;
}

/** JSON-RPC wants a number; the real code is in `data`. */
export const applicationError = -32000;
/** JSON-RPC's own, for what is no request. */
export const invalidRequest = -32600;
/** Progress of a call: `$/event` {op, event}. Not JSON-RPC's own; named as LSP names its extensions. */
export const eventMethod = "$/event";
