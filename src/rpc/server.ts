/** The server's end: accepts the connections of those who may, parses everything, and hands calls to their handlers. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { BangerError, toBangerError } from "../base/base.ts";
import { type PeerCredentials, peerCredentials } from "../sys/sys.ts";
import { type Connection, Connections, type UnderWay } from "./connections.ts";
import type { Owner } from "./contract.ts";
import { type Listening, listen, type SocketPlace, userSocket } from "./listen.ts";
import { type Answer, speak } from "./messages.ts";
import type { EventsOf, MethodOf, ParamsOf, ResultOf, Table } from "./table.ts";
import { type OnStream, Tickets } from "./tickets.ts";
import { applicationError, eventMethod, firstLine, invalidRequest, type WireError } from "./wire.ts";

export interface CallLog {
  debug(message: string, facts?: Record<string, unknown>): void;
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
  error(message: string, facts?: Record<string, unknown>): void;
}

export interface CallContext<E> {
  /** Aborted when the client cancels, or goes away. */
  signal: AbortSignal;
  opId: string;
  emit(event: E): void;
  /** Resolves when the client can take more events: for those who could emit without end. */
  ready(): Promise<void>;
  /** A ticket for a stream that `onStream` will get; void when the client goes away. */
  ticket(onStream: OnStream): string;
  /** Resolves when the client's connection has ended, however it did. */
  connectionClosed: Promise<void>;
  /** What other clients have under way; whoever is connected is at least one entry. */
  others(): UnderWay[];
}

export type HandlersOf<T extends Table> = {
  [M in MethodOf<T>]: (params: ParamsOf<T, M>, ctx: CallContext<EventsOf<T, M>>) => Promise<ResultOf<T, M>>;
};

export type Handlers = HandlersOf<Owner>;

export interface ServiceOptions<T extends Table> {
  /** The contract that is served. */
  table: T;
  /** Who serves it, and what to do when the caller is of another version: for messages. */
  program: { name: string; versionHint: string };
  handlers: HandlersOf<T>;
  /** What a call waits for before its handler sees it. Throws cancelled when `signal` says so. */
  before?: (method: MethodOf<T>, signal: AbortSignal) => Promise<void>;
  log: CallLog;
}

export interface ServerOptions<T extends Table> extends ServiceOptions<T> {
  socketPath: string;
  /**
   * Who may connect, as the kernel knows them; default this process's own user and root. The socket's mode says the
   * same, and this holds even where the mode was changed.
   */
  admits?: (peer: PeerCredentials) => boolean;
  /** Default: a directory that is this user's alone. */
  place?: SocketPlace;
  /** Called when the number of calls under way or of connections changes. */
  onActivity?: (busy: boolean) => void;
}

export type Server = Listening;

/** Nobody needs longer to say what a connection is. */
const firstLineTimeoutMs = 10_000;
/** What is shown and logged of a method's name that may be none: longer than any that is one. */
const maxMethodLength = 64;
const Request = z.strictObject({ op: z.string().regex(/^[0-9a-f-]{8,36}$/), params: z.unknown() });

/** Listens, see listen.ts. */
export function serve<T extends Table>(options: ServerOptions<T>): Promise<Server> {
  const { socketPath, log, admits = isOwner, place = userSocket } = options;
  const tickets = new Tickets();
  let busy = 0;
  const connections = new Connections();
  const activity = (change: 1 | -1) => {
    busy += change;
    options.onActivity?.(busy > 0);
  };
  const onConnection = (socket: Socket) => {
    socket.on("error", () => socket.destroy());
    if (!isAdmitted(descriptorOf(socket), admits, log)) return void socket.destroy();
    activity(1);
    socket.on("close", () => activity(-1));
    firstLine(socket, firstLineTimeoutMs).then(
      (line) => {
        if (line === "rpc") {
          const connection = connections.open();
          socket.on("close", connection.end);
          serveCalls(socket, options, tickets, connection);
        } else serveTicket(socket, line, tickets);
      },
      () => socket.destroy(),
    );
  };
  return listen(socketPath, place, onConnection, (what) => log.error("the socket", { error: what }));
}

/**
 * Serves one connection that somebody else has accepted, whose descriptor is `fd`; resolves when it has ended. For calls
 * only: there is no second connection for a stream.
 */
export async function serveConnection<T extends Table>(
  socket: Duplex,
  fd: number,
  options: ServiceOptions<T>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.on("close", resolve));
  socket.on("error", () => socket.destroy());
  if (!isAdmitted(fd, isOwner, options.log)) socket.destroy();
  else {
    firstLine(socket, firstLineTimeoutMs).then(
      (line) => {
        if (line === "rpc") serveCalls(socket, options, new Tickets(), new Connections().open());
        else socket.destroy();
      },
      () => socket.destroy(),
    );
  }
  await closed;
}

function isOwner({ uid }: PeerCredentials): boolean {
  return uid === process.getuid?.() || uid === 0;
}

/** Bun and Node keep the descriptor on the handle; neither has a public way to it. */
function descriptorOf(socket: Socket): unknown {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
}

function isAdmitted(fd: unknown, admits: (peer: PeerCredentials) => boolean, log: CallLog): boolean {
  if (typeof fd !== "number") return false;
  const peer = peerCredentials(fd);
  if (admits(peer)) return true;
  log.warn("refused a connection of another user", { uid: peer.uid, pid: peer.pid });
  return false;
}

function serveTicket(socket: Socket, line: string, tickets: Tickets): void {
  const ticket = /^ticket ([0-9a-f]{32})$/.exec(line)?.[1];
  const onStream = ticket === undefined ? undefined : tickets.redeem(ticket);
  if (onStream === undefined) return void socket.end("error no such ticket\n");
  socket.write("ok\n");
  onStream(socket);
  closeWhenGone(socket);
}

/** How often a stream that its client has ended is looked at. In ms. */
const goneMs = 500;

/**
 * A client that goes, killed or not, after its own way has ended or with it: of that Bun (1.4.5) tells nothing, and the socket
 * would stay open on this side for ever. But its descriptor is gone by then.
 */
function closeWhenGone(socket: Socket): void {
  socket.once("end", () => {
    const timer = setInterval(() => {
      if (descriptorOf(socket) === undefined) socket.destroy();
    }, goneMs);
    timer.unref();
    socket.once("close", () => clearInterval(timer));
  });
}

function serveCalls<T extends Table>(
  socket: Duplex,
  options: ServiceOptions<T>,
  tickets: Tickets,
  connection: Connection,
): void {
  const { log } = options;
  const closed = Promise.withResolvers<void>();
  const gone = new AbortController();
  socket.on("close", () => {
    gone.abort();
    closed.resolve();
  });
  socket.on("end", () => socket.end());
  const answer = async (method: string, request: unknown, cancelled: AbortSignal): Promise<Answer> => {
    const parsed = Request.safeParse(request);
    if (!parsed.success)
      return { error: { code: invalidRequest, message: "the request is not {op, params}" } };
    const { op, params } = parsed.data;
    const started = performance.now();
    const end = connection.call(method.slice(0, maxMethodLength), op);
    try {
      const result = await dispatch(options, method, params, {
        signal: AbortSignal.any([cancelled, gone.signal]),
        opId: op,
        emit: (event) => messages.notify(eventMethod, { op, event }),
        ready: () => messages.taken(),
        ticket: (onStream) => tickets.issue(onStream, gone.signal),
        connectionClosed: closed.promise,
        others: connection.others,
      });
      log.info("call", { op, method, ms: Math.round(performance.now() - started) });
      return { result };
    } catch (error) {
      const failure = toBangerError(error);
      log.warn("call failed", {
        op,
        method: method.slice(0, maxMethodLength),
        code: failure.code,
        error: failure.message,
        ...stackOf(failure),
      });
      const data: WireError = { code: failure.code, hint: failure.hint, details: failure.details, opId: op };
      return { error: { code: applicationError, message: failure.message, data } };
    } finally {
      end();
    }
  };
  const messages = speak(socket, { request: answer });
}

/** A bug's stack belongs into the log, never onto the wire. */
function stackOf(error: BangerError): { stack?: string } {
  const cause = error.code === "internal" && error.cause instanceof Error ? error.cause.stack : undefined;
  return cause === undefined ? {} : { stack: cause };
}

async function dispatch<T extends Table>(
  { table, handlers, program, before }: ServiceOptions<T>,
  method: string,
  params: unknown,
  ctx: CallContext<unknown>,
): Promise<unknown> {
  const shape = Object.hasOwn(table, method) ? table[method] : undefined;
  if (shape === undefined) {
    const named = JSON.stringify(method.slice(0, maxMethodLength));
    throw new BangerError("unknown_method", `${program.name} has no method ${named}`, {
      hint: program.versionHint,
    });
  }
  const parsed = shape.params.safeParse(params);
  if (!parsed.success) throw new BangerError("bad_request", explain(method, parsed.error));
  // The table pairs each method with its own types; a lookup by a variable loses the pairing.
  const handler = handlers[method as MethodOf<T>] as (
    params: unknown,
    ctx: CallContext<unknown>,
  ) => Promise<unknown>;
  await before?.(method as MethodOf<T>, ctx.signal);
  return shape.result.parse(await handler(parsed.data, ctx));
}

function explain(method: string, error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const at = issue.path.length === 0 ? method : `${method}: ${issue.path.join(".")}`;
      return issue.code === "unrecognized_keys"
        ? `${at}: unknown key ${issue.keys.join(", ")}`
        : `${at}: ${issue.message}`;
    })
    .join("; ");
}
