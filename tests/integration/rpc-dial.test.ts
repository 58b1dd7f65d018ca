/** The client's sockets against a server of node:net, which knows nothing of them. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { connect } from "../../src/rpc/client.ts";
import { dialUnix } from "../../src/rpc/dial.ts";

let dir: string;
let path: string;
let server: Server;
let accepted: Promise<Socket>;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "banger-dial-"));
  path = join(dir, "s.sock");
  const first = Promise.withResolvers<Socket>();
  accepted = first.promise;
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    first.resolve(socket);
  });
  server.listen(path);
  await once(server, "listening");
});
afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const megabytes = Buffer.alloc(8 << 20, "0123456789abcdef");

test("what a peer sent before it went away arrives whole, also when it is read late", async () => {
  const socket = await dialUnix(path);
  const peer = await accepted;
  peer.end(megabytes);
  await Bun.sleep(50);
  expect((await buffer(socket)).equals(megabytes)).toBe(true);
});

test("our end is an end for the peer, which may still answer", async () => {
  const socket = await dialUnix(path);
  const peer = await accepted;
  let asked = 0;
  peer.on("data", (bytes: Buffer) => {
    asked += bytes.length;
  });
  peer.on("end", () => peer.end(`got ${asked}`));
  socket.end(megabytes);
  expect((await buffer(socket)).toString()).toBe(`got ${megabytes.length}`);
});

test("a peer that does not read is waited for, and a wait that is given up fails", async () => {
  const socket = await dialUnix(path);
  const peer = (await accepted).pause();
  socket.on("error", () => {});
  const written = new Promise<unknown>((resolve) => socket.write(megabytes, resolve));
  expect(await Promise.race([written, Bun.sleep(100).then(() => "waits")])).toBe("waits");
  socket.destroy();
  expect(await written).toBeInstanceOf(Error);
  peer.destroy();
});

test("a peer that vanishes closes the stream, and writing to it fails", async () => {
  const socket = await dialUnix(path);
  socket.on("error", () => {});
  socket.resume();
  const closed = once(socket, "close");
  (await accepted).destroy();
  await closed;
  expect(socket.destroyed).toBe(true);
  expect(await new Promise((resolve) => socket.write("x", resolve))).toBeInstanceOf(Error);
});

test("where nobody listens, the error says so as connect(2) does", async () => {
  const code = (where: string) =>
    dialUnix(where).then(
      () => "connected",
      (error: NodeJS.ErrnoException) => error.code,
    );
  expect(await code(join(dir, "nothing"))).toBe("ENOENT");
  server.close();
  await once(server, "close");
  expect(["ENOENT", "ECONNREFUSED"]).toContain((await code(path)) ?? "");
});

test("a daemon that ends between the knock and the answer is no daemon", async () => {
  const knocked = connect(path);
  server.close();
  await expect(knocked).rejects.toMatchObject({ code: "unavailable" });
});
