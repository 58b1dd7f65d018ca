/** Ports of this host that lead into a guest, for as long as the command lasts. */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BangerError, toBangerError } from "../../base/base.ts";
import type { Context, Daemon } from "../context.ts";
import { escapeText } from "../output/escape.ts";
import { connectGuest } from "./connect.ts";
import { endpoint, type ForwardSpec, isLoopback } from "./forward-spec.ts";
import { feed } from "./streams.ts";

export interface Guest {
  client: Daemon;
  ref: string;
}

export interface Forward {
  /** Where it listens, as in a URL. */
  at: string;
  guestPort: number;
}

export interface Forwards {
  readonly open: readonly Forward[];
  /** From now on connections go there; those that have come already, too. */
  leadTo(guest: Guest): void;
  close(): void;
}

/**
 * Listens on all of them, or on none. What comes before a guest is named waits. Throws already_exists for a port that is in
 * use.
 */
export async function openForwards(ctx: Context, specs: readonly ForwardSpec[]): Promise<Forwards> {
  const guest = Promise.withResolvers<Guest>();
  // Closed before there was one.
  guest.promise.catch(() => {});
  const servers: Server[] = [];
  const sockets = new Set<Duplex>();
  const troubles = new Troubles(ctx);
  const over = new AbortController();
  const during = { ...ctx, signal: AbortSignal.any([ctx.signal, over.signal]) };
  const close = () => {
    over.abort();
    guest.reject(new BangerError("cancelled", "cancelled"));
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
  };
  const open: Forward[] = [];
  try {
    for (const spec of specs) {
      const server = await listening(spec, (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        guest.promise
          .then(({ client, ref }) => lead(during, client, ref, spec.guestPort, socket, sockets))
          .then(
            () => troubles.over(spec.guestPort),
            (error: unknown) => {
              socket.destroy();
              if (!during.signal.aborted) troubles.tell(spec.guestPort, toBangerError(error));
            },
          );
      });
      servers.push(server);
      if (!isLoopback(spec.address))
        ctx.err(
          `${ctx.style.bold("warning:")} whoever reaches this host by ${spec.address} reaches port ${spec.guestPort} of the VM`,
        );
      open.push({ at: endpoint(spec.address, portOf(server)), guestPort: spec.guestPort });
    }
  } catch (error) {
    close();
    throw error;
  }
  return { open, leadTo: guest.resolve, close };
}

function listening(
  { address, hostPort }: ForwardSpec,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(notListening(error, address, hostPort)));
    server.listen({ host: address, port: hostPort, exclusive: true }, () => resolve(server));
  });
}

function notListening(error: Error, address: string, port: number): BangerError {
  const where = endpoint(address, port);
  switch ("code" in error ? error.code : undefined) {
    case "EADDRINUSE":
      return new BangerError("already_exists", `port ${where} of this host is in use`, {
        hint: "take another, or 0 for any that is free",
        cause: error,
      });
    case "EACCES":
      return new BangerError("denied", `port ${where} of this host is not for you to listen on`, {
        hint: "ports below 1024 are root's: take a higher one",
        cause: error,
      });
    case "EADDRNOTAVAIL":
      return new BangerError("bad_request", `${address} is no address of this host`, { cause: error });
    default:
      return new BangerError("operation_failed", `${where} cannot be listened on: ${error.message}`, {
        cause: error,
      });
  }
}

function portOf(server: Server): number {
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

/** Joins a connection to the guest's port; each way is ended by itself. */
async function lead(
  ctx: Context,
  client: Daemon,
  ref: string,
  port: number,
  socket: Socket,
  open: Set<Duplex>,
): Promise<void> {
  socket.on("error", () => socket.destroy());
  const stream = await connectGuest(ctx, client, ref, port);
  open.add(stream);
  stream.on("close", () => open.delete(stream));
  if (socket.destroyed) return void stream.destroy();
  endTogether(socket, stream);
  endTogether(stream, socket);
  feed(socket, stream);
  feed(stream, socket);
}

/** One that breaks takes the other along; one that has ended in order lets the rest of what it said go out. */
function endTogether(one: Duplex, other: Duplex): void {
  one.on("error", () => other.destroy());
  one.on("close", () => {
    if (!one.readableEnded || !one.writableFinished) other.destroy();
  });
}

/** A browser asks ten times: what goes wrong is said once, until it goes well again or goes wrong otherwise. */
class Troubles {
  readonly #told = new Map<number, string>();

  constructor(private readonly ctx: Pick<Context, "err">) {}

  tell(port: number, { message, hint }: BangerError): void {
    if (this.#told.get(port) === message) return;
    this.#told.set(port, message);
    this.ctx.err(escapeText(hint === undefined ? message : `${message} (${hint})`));
  }

  over(port: number): void {
    this.#told.delete(port);
  }
}
