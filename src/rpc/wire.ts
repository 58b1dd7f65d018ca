/**
 * The wire: JSON-RPC 2.0 in frames with a Content-Length header, over a unix socket, with a limit on every length.
 *
 * A connection begins with a line that says what it is: `rpc`, or `ticket HEX`. After `ticket` the server answers a
 * line, `ok` or `error MESSAGE`, and from then on the connection carries raw bytes.
 */
import { type Duplex, Transform } from "node:stream";
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import { BangerError } from "../base/errors.ts";

export const maxFrameBytes = 4 * 1024 * 1024;
const maxHeaderBytes = 256;

/** Passes frames through as they are, and ends with an error at the first that is too large or is none. */
export function frameGuard(): Transform {
  let head = Buffer.alloc(0);
  let left = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let rest = chunk;
      while (rest.length > 0) {
        if (left > 0) {
          const taken = rest.subarray(0, left);
          left -= taken.length;
          rest = rest.subarray(taken.length);
          this.push(taken);
          continue;
        }
        head = Buffer.concat([head, rest]);
        rest = Buffer.alloc(0);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) {
          if (head.length > maxHeaderBytes)
            return done(new BangerError("bad_request", "the peer does not speak JSON-RPC"));
          break;
        }
        const length = /^Content-Length: ([0-9]{1,8})$/.exec(head.toString("latin1", 0, end))?.[1];
        if (length === undefined)
          return done(new BangerError("bad_request", "the peer does not speak JSON-RPC"));
        left = Number(length);
        if (left > maxFrameBytes)
          return done(new BangerError("bad_request", `a message of ${left} bytes is too large`));
        this.push(head.subarray(0, end + 4));
        rest = head.subarray(end + 4);
        head = Buffer.alloc(0);
      }
      done();
    },
  });
}

/** Holds back what comes from the socket for as long as what was written to it waits for its reader. */
function whileAnswersAreRead(socket: Duplex): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (socket.writableNeedDrain) socket.once("drain", () => done(null, chunk));
      else done(null, chunk);
    },
  });
}

/** A JSON-RPC connection over a socket whose first line has been dealt with. Errors destroy the socket. */
export function messageConnection(socket: Duplex): MessageConnection {
  const guard = frameGuard();
  const listening = whileAnswersAreRead(socket);
  for (const stage of [listening, guard]) stage.on("error", () => socket.destroy());
  socket.on("error", () => guard.destroy());
  socket.pipe(listening).pipe(guard);
  const connection = createMessageConnection(
    new StreamMessageReader(guard),
    new StreamMessageWriter(socket),
    silent,
  );
  connection.onError(() => socket.destroy());
  return connection;
}

const silent = { error() {}, warn() {}, info() {}, log() {} };

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
        if (end >= 0 && end <= maxHeaderBytes) {
          const rest = bytes.subarray(end + 1);
          if (rest.length > 0) socket.unshift(rest);
          return finish(() => resolve(bytes.toString("latin1", 0, end)));
        }
        if (bytes.length > maxHeaderBytes)
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
/** Progress of a call: `$/event` {op, event}. Not JSON-RPC's own; named as LSP names its extensions. */
export const eventMethod = "$/event";
