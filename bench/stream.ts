/** 256 MiB to an echo and back: through a ticket of the daemon's server, and through a plain unix socket. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect, type Handlers, owner, serve } from "../src/rpc/rpc.ts";
import { comparePairs, type PairResult } from "./pairs.ts";

const chunk = Buffer.alloc(1 << 20, 5);
const chunks = 256;

export async function compareStreams(): Promise<PairResult> {
  const dir = mkdtempSync(join(tmpdir(), "banger-stream-"));
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const handlers: Partial<Handlers> = {
    "guest.connect": async (_params, ctx) => ({ ticket: ctx.ticket((stream) => stream.pipe(stream)) }),
  };
  const server = await serve({
    table: owner,
    program: { name: "bangerd", versionHint: "" },
    socketPath: join(dir, "run/ticket.sock"),
    handlers: handlers as Handlers,
    log,
  });
  const plain = createServer({ allowHalfOpen: true }, (stream) => stream.pipe(stream));
  plain.listen(join(dir, "plain.sock"));
  await once(plain, "listening");
  const client = await connect(join(dir, "run/ticket.sock"));
  try {
    const byTicket = async () => {
      const { ticket } = await client.call("guest.connect", { ref: "x", port: 1 });
      return there(await client.stream(ticket));
    };
    const bySocket = async () => there(dial({ path: join(dir, "plain.sock"), allowHalfOpen: true }));
    return await comparePairs({ name: "ticket", run: byTicket }, { name: "plain socket", run: bySocket }, 9);
  } finally {
    client.close();
    server.close();
    plain.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** ms until everything has come back. */
async function there(stream: Duplex): Promise<number> {
  const started = performance.now();
  stream.resume();
  const ended = once(stream, "end");
  for (let index = 0; index < chunks; index += 1) {
    if (!stream.write(chunk)) await once(stream, "drain");
  }
  stream.end();
  await ended;
  return performance.now() - started;
}
