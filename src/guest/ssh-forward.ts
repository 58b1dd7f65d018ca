/** A connection to what listens in the guest, by sshd's forwarding. */
import { Duplex, type Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { BangerError } from "../base/base.ts";
import { abortable } from "./abort.ts";
import type { SshConnection } from "./ssh-connection.ts";
import { give, inputOf, outputOf } from "./ssh-streams.ts";

export async function connectBySsh(
  connection: SshConnection,
  to: { port: number } | { path: string },
  signal?: AbortSignal,
): Promise<Duplex> {
  const what = "port" in to ? `port ${to.port}` : to.path;
  try {
    const channel = await abortable(open(connection, to), signal);
    const duplex = streamOf(connection, channel, what);
    const cut = () => duplex.destroy(new BangerError("cancelled", "cancelled"));
    signal?.addEventListener("abort", cut, { once: true });
    duplex.once("close", () => signal?.removeEventListener("abort", cut));
    return duplex;
  } catch (error) {
    connection.end();
    const why = error instanceof Error ? error.message : String(error);
    throw new BangerError("unavailable", `${what} in the guest cannot be reached: ${why.toLowerCase()}`, {
      cause: error,
    });
  }
}

/** 127.0.0.1, then ::1 when that fails. */
async function open(
  connection: SshConnection,
  to: { port: number } | { path: string },
): Promise<ClientChannel> {
  if ("path" in to) return connection.forward(to);
  const { port } = to;
  return connection
    .forward({ port, host: "127.0.0.1" })
    .catch(() => connection.forward({ port, host: "::1" }));
}

function streamOf(connection: SshConnection, channel: ClientChannel, what: string): Duplex {
  const stalled = new Set<Readable>();
  const closed = Promise.withResolvers<void>();
  const input = inputOf(connection, channel, closed.promise);
  const out = outputOf(connection, stalled);
  let ended = false;
  const duplex: Duplex = new Duplex({
    allowHalfOpen: true,
    read: () => out.resume(),
    write: (chunk: Buffer, _encoding, done) => void input.write(chunk, (error) => done(error)),
    final: (done) => void input.end(() => done()),
    destroy: (error, done) => {
      out.destroy();
      // After an orderly end both ways sshd may still be handing on the last bytes: its close is waited for.
      if (error !== null || !ended || !duplex.writableFinished) connection.end();
      done(error);
    },
  });
  duplex.on("error", () => {});
  out.on("data", (chunk: Buffer) => {
    if (!duplex.push(chunk)) out.pause();
  });
  out.on("end", () => {
    ended = true;
    duplex.push(null);
  });
  channel.on("data", (chunk: Buffer) => give(connection, stalled, out, chunk));
  channel.stderr.resume();
  channel.on("end", () => {
    // Not what the library says of a connection that was lost.
    if (!out.destroyed) out.push(null);
  });
  channel.on("close", () => {
    closed.resolve();
    connection.end();
  });
  void connection.lost.then((error) => {
    closed.resolve();
    if (ended) return;
    duplex.destroy(new BangerError("guest_failed", `the connection to ${what} broke: ${error.message}`));
  });
  return duplex;
}
