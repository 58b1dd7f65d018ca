/** The handshake on Firecracker's vsock socket, against servers that keep to it, and those that do not. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { connectVsock } from "./vsock.ts";

let dir: string;
let path: string;
let server: Server | undefined;
const open: Socket[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-vsock-"));
  path = join(dir, "v.sock");
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  server?.close();
  rmSync(dir, { recursive: true });
});

/** Answers each connection by its number and its first line. */
function serve(answer: (socket: Socket, number: number, line: string) => void): Promise<void> {
  let connections = 0;
  server = createServer((socket) => {
    open.push(socket);
    const number = connections++;
    socket.on("error", () => {});
    socket.once("data", (line: Buffer) => answer(socket, number, line.toString("latin1")));
  });
  return new Promise((resolve) => server?.listen(path, resolve));
}

const target = () => ({ socket: path, port: 71, alive: () => true });

/** What a stream carries until it has brought so many bytes. */
async function read(stream: NodeJS.ReadableStream, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    size += chunk.length;
    if (size >= bytes) break;
  }
  return Buffer.concat(chunks);
}

test("asks for the port in one line, and carries both ways afterwards", async () => {
  const lines: string[] = [];
  await serve((socket, _number, line) => {
    lines.push(line);
    socket.on("data", (chunk: Buffer) => socket.write(chunk));
    socket.write("OK 1073741824\n");
  });
  const stream = await connectVsock(target());
  stream.write("hello");
  expect((await read(stream, 5)).toString()).toBe("hello");
  expect(lines).toEqual(["CONNECT 71\n"]);
  stream.destroy();
});

test("gives the stream every byte after the answer, however they come in pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.array(fc.nat(250), { maxLength: 6 }),
      async (payload, cuts) => {
        const all = Buffer.concat([Buffer.from("OK 7\n"), payload]);
        const places = [0, ...cuts.map((cut) => cut % all.length).sort((a, b) => a - b), all.length];
        await serve(async (socket) => {
          for (let index = 1; index < places.length; index += 1) {
            socket.write(all.subarray(places[index - 1], places[index]));
            if (index % 2 === 0) await Bun.sleep(1);
          }
        });
        const stream = await connectVsock(target());
        expect(await read(stream, payload.length)).toEqual(Buffer.from(payload));
        stream.destroy();
        await new Promise((resolve) => server?.close(resolve));
      },
    ),
    { numRuns: 60 },
  );
});

test("tries again while nobody listens in the guest, or nobody is there yet at all", async () => {
  const connecting = connectVsock(target());
  await Bun.sleep(30);
  await serve((socket, number) => {
    if (number < 3) socket.end();
    else if (number < 5) socket.destroy();
    else socket.write("OK 1\n");
  });
  const stream = await connecting;
  expect(open.length).toBe(6);
  stream.destroy();
});

test("refuses what is not the answer, at once and without reading on", async () => {
  const wrong = [
    "OK\n",
    "OK x\n",
    "OK -1\n",
    "ok 1\n",
    "OK 1 2\n",
    " OK 1\n",
    "OK 12345678901\n",
    "\n",
    "HTTP/1.1 400\r\n",
  ];
  for (const answer of [...wrong, "x".repeat(100_000), `OK ${"1".repeat(100_000)}`]) {
    await serve((socket) => socket.write(answer));
    await expect(connectVsock(target())).rejects.toMatchObject({ code: "guest_failed" });
    await new Promise((resolve) => server?.close(resolve));
  }
});

test("no bytes of any kind make it hang, crash or accept", async () => {
  for (let round = 0; round < 200; round += 1) {
    const noise = Buffer.concat([randomBytes(round % 40), Buffer.from("\n"), randomBytes(20)]);
    if (/^OK [0-9]{1,10}\n/.test(noise.toString("latin1"))) continue;
    await serve((socket) => socket.write(noise));
    await expect(connectVsock(target())).rejects.toMatchObject({ code: "guest_failed" });
    await new Promise((resolve) => server?.close(resolve));
  }
});

test("gives up when it is told to, also while the answer hangs", async () => {
  await serve((socket) => socket.write("OK "));
  await expect(connectVsock(target(), AbortSignal.timeout(50))).rejects.toMatchObject({ code: "cancelled" });
  await expect(connectVsock(target(), AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
});

test("gives up when the machine is gone", async () => {
  await expect(connectVsock({ ...target(), alive: () => false })).rejects.toMatchObject({
    code: "unavailable",
  });
});
