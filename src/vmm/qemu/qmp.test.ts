/** The client of QMP against a server that says what a test wants; the real QEMU answers it in tests/integration. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectQmp } from "./qmp.ts";

let dir: string;
let server: Server;
const sockets: Socket[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bqmp-"));
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  rmSync(dir, { recursive: true });
});

/** Greets, and answers each command with `answer` of its name. */
async function serve(answer: (command: string) => string, greeting = '{"QMP":{}}'): Promise<string> {
  const path = join(dir, "qmp.sock");
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {
      // The client may be gone.
    });
    socket.write(`${greeting}\n`);
    socket.on("data", (bytes) => {
      for (const line of bytes.toString().trim().split("\n")) {
        const { execute } = JSON.parse(line);
        socket.write(execute === "qmp_capabilities" ? '{"return":{}}\n' : answer(execute));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

describe("QMP", () => {
  test("gives each of several commands its own answer, whatever events come in between", async () => {
    const path = await serve((command) => `{"event":"${command}","data":{}}\n{"return":"${command}"}\n`);
    const qmp = await connectQmp(path);
    const event = qmp.event(({ event }) => event === "b");
    expect(await Promise.all(["a", "b", "c"].map((name) => qmp.execute(name)))).toEqual(["a", "b", "c"]);
    expect(await event).toMatchObject({ event: "b" });
    qmp.close();
    await qmp.closed;
  });

  test("says which command was refused, and why, and goes on", async () => {
    const refuse = '{"error":{"class":"GenericError","desc":"no such file"}}\n';
    const qmp = await connectQmp(await serve((command) => (command === "bad" ? refuse : '{"return":1}\n')));
    await expect(qmp.execute("bad")).rejects.toMatchObject({
      code: "guest_failed",
      message: "QEMU refused bad: no such file",
    });
    expect(await qmp.execute("good")).toBe(1);
    qmp.close();
  });

  test("lets nobody wait when the socket ends, is closed, or its signal aborts", async () => {
    const path = await serve(() => "");
    const over = new AbortController();
    for (const end of [
      () => sockets.at(-1)?.destroy(),
      (qmp: { close(): void }) => qmp.close(),
      () => over.abort(),
    ]) {
      const qmp = await connectQmp(path, over.signal);
      const waiting = [qmp.execute("a"), qmp.event(() => true)];
      const settled = Promise.allSettled(waiting);
      end(qmp);
      expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      await expect(qmp.execute("b")).rejects.toBeDefined();
      await qmp.closed;
    }
    await expect(connectQmp(path, over.signal)).rejects.toMatchObject({ code: "cancelled" });
  });

  test("takes neither another greeting, nor an answer to nothing, nor an endless line", async () => {
    await expect(connectQmp(await serve(() => "", '{"hello":1}'))).rejects.toBeDefined();
    server.close();
    for (const said of ['{"return":1}\n{"return":2}\n', "x".repeat(70_000), "no JSON\n"]) {
      const qmp = await connectQmp(await serve(() => said));
      await qmp.execute("a").catch(() => {});
      await qmp.closed;
      server.close();
    }
  });
});
