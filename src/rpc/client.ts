/** The client's end: typed calls, events, cancellation, and streams by ticket. Loads no schemas: only their types. */
import type { Duplex } from "node:stream";
import type { z } from "zod";
import { BangerError, type ErrorCode, errorCodes } from "../base/base.ts";
import type { Owner } from "./contract.ts";
import { dialUnix } from "./dial.ts";
import { type ErrorObject, speak } from "./messages.ts";
import type { EventsOf, MethodOf, ParamsOf, ResultOf, Table } from "./table.ts";
import { eventMethod, firstLine, type WireError } from "./wire.ts";

export interface CallOptions<M extends MethodOf<T>, T extends Table = Owner> {
  /** Aborting cancels the call on the other side too. */
  signal?: AbortSignal;
  onEvent?: (event: EventsOf<T, M>) => void;
  /** Id of the operation, to be found in the daemon's log; made when absent. */
  op?: string;
}

export interface Client<T extends Table = Owner> {
  call<M extends MethodOf<T>>(
    method: M,
    params: ParamsOf<T, M>,
    options?: CallOptions<M, T>,
  ): Promise<ResultOf<T, M>>;
  /** The raw byte stream that a ticket stands for. */
  stream(ticket: string): Promise<Duplex>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

/** The program at the other end, as errors speak of it. */
export interface Peer {
  program: string;
  /** Where it says why it ended. */
  lostHint: string;
  /** What to do when this user may not connect. */
  deniedHint: string;
  /** What to do when it is not there; absent where whoever connects knows better. */
  absentHint?: string;
}

const bangerd: Peer = {
  program: "bangerd",
  lostHint: "see why: banger daemon logs",
  deniedHint: "it is another user's: see what XDG_RUNTIME_DIR says",
};

const answerTimeoutMs = 10_000;

/**
 * Throws unavailable when nobody listens, denied when this user may not connect. `T` is the peer's contract; with `table`,
 * which is that, whatever the peer says is parsed by it, as the words of somebody who has less rights than this process.
 */
export async function connect<T extends Table = Owner>(
  socketPath: string,
  peer: Peer = bangerd,
  table?: T,
): Promise<Client<T>> {
  const socket = await dialSocket(socketPath, peer);
  socket.write("rpc\n");
  const closed = Promise.withResolvers<void>();
  const listeners = new Map<string, (event: unknown) => void>();
  const messages = speak(socket, {
    notification: (method, params) => {
      if (method !== eventMethod) return;
      const { op, event } = params as { op: string; event: unknown };
      listeners.get(op)?.(event);
    },
  });
  socket.on("end", () => socket.destroy());
  socket.on("close", () => closed.resolve());
  return {
    closed: closed.promise,
    close: () => socket.destroy(),
    stream: (ticket) => openStream(socketPath, peer, ticket),
    call: async <M extends MethodOf<T>>(
      method: M,
      params: ParamsOf<T, M>,
      options: CallOptions<M, T> = {},
    ): Promise<ResultOf<T, M>> => {
      const op = options.op ?? crypto.randomUUID().slice(0, 8);
      const { signal, onEvent } = options;
      if (signal?.aborted) throw new BangerError("cancelled", "cancelled", { opId: op });
      const broken = Promise.withResolvers<never>();
      broken.promise.catch(() => {});
      if (onEvent) {
        listeners.set(op, (event) => {
          try {
            onEvent(read(table?.[method]?.events, event, method) as EventsOf<T, M>);
          } catch (error) {
            broken.reject(error);
          }
        });
      }
      const answer = await Promise.race([
        messages.request(method, { op, params }, signal),
        broken.promise,
      ]).finally(() => listeners.delete(op));
      if (answer === undefined) throw connectionLost(peer, op);
      if ("error" in answer) throw fromWire(answer.error, op);
      return read(table?.[method]?.result, answer.result, method) as ResultOf<T, M>;
    },
  };
}

/** Without a schema as it is: the server has parsed it against the contract, and is of this client's own version and user. */
function read(schema: z.ZodType | undefined, value: unknown, method: string): unknown {
  if (schema === undefined) return value;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BangerError("denied", `what answers ${method} is not banger: its answer is none of banger's`, {
    hint: "the daemon is the owner's process: see who listens on its socket",
  });
}

function connectionLost(peer: Peer, op: string): BangerError {
  return new BangerError("unavailable", `the connection to ${peer.program} was lost`, {
    hint: peer.lostHint,
    opId: op,
  });
}

/** The error that the server threw, as the class that it was. */
function fromWire(error: ErrorObject, op: string): BangerError {
  const data = (error.data ?? {}) as Partial<WireError>;
  const code = data.code !== undefined && data.code in errorCodes ? (data.code as ErrorCode) : "internal";
  return new BangerError(code, error.message, {
    hint: data.hint,
    details: data.details,
    opId: data.opId ?? op,
  });
}

async function openStream(socketPath: string, peer: Peer, ticket: string): Promise<Duplex> {
  const socket = await dialSocket(socketPath, peer);
  socket.write(`ticket ${ticket}\n`);
  const line = await firstLine(socket, answerTimeoutMs);
  if (line !== "ok") {
    socket.destroy();
    throw new BangerError("unavailable", `the stream could not be opened: ${line.replace(/^error /, "")}`);
  }
  return socket;
}

async function dialSocket(path: string, peer: Peer): Promise<Duplex> {
  const socket = await dialUnix(path).catch((error: NodeJS.ErrnoException) => {
    throw notReached(path, peer, error);
  });
  // Every read and write on it fails too, and says so where it is awaited.
  return socket.on("error", () => {});
}

/** What connect(2) says where nobody listens; ECONNRESET when whoever did has just ended, with us in its queue. */
const nobody = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET"]);

/** Only "nobody listens" may lead to a new daemon: whoever cannot reach the one that runs must hear why. */
function notReached(path: string, peer: Peer, cause: NodeJS.ErrnoException): BangerError {
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    return new BangerError("denied", `this user may not use ${path}`, {
      cause,
      hint: peer.deniedHint,
    });
  }
  // EAGAIN: it listens, and more knock than it can let in; waiting for a daemon to come up is waiting for this one.
  if (nobody.has(cause.code ?? "") || cause.code === "EAGAIN") {
    return new BangerError("unavailable", `no ${peer.program} listens on ${path}`, {
      cause,
      hint: peer.absentHint,
    });
  }
  return new BangerError("operation_failed", `${path} cannot be reached: ${cause.message}`, { cause });
}
