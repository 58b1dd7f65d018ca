import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { type GuestSession, openAgentSession } from "../../src/guest/guest.ts";
import { AgentFixture, agentMissing, bytesOf, runIn } from "./agent-fixture.ts";

/** Listens, and gives the address to connect to. */
async function listen(server: Server, address: { port: number; host: string } | string): Promise<number> {
  await new Promise<void>((resolve) => {
    if (typeof address === "string") server.listen(address, resolve);
    else server.listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

describe.skipIf(agentMissing !== undefined)("the agent's connection", () => {
  let agent: AgentFixture;
  beforeAll(() => {
    agent = new AgentFixture();
  });
  afterAll(() => agent.end());

  test("a host that goes away hangs up on its commands, and the next host starts afresh", async () => {
    const first = await agent.session();
    const child = await first.exec({
      argv: ["sh", "-c", "echo $$; exec sleep 1000"],
      cwd: "/",
      after: "agent",
    });
    const pid = await new Promise<string>((resolve) =>
      child.stdout.once("data", (chunk) => resolve(String(chunk).trim())),
    );
    first.close();
    await expect(child.exit).rejects.toMatchObject({ code: "guest_failed" });
    expect(await first.closed).toEqual({ reason: "the session was closed" });
    const second = await agent.session();
    expect(second.hello.bootId).toBe(first.hello.bootId);
    expect((await runIn(second, ["echo", "again"])).stdout).toBe("again\n");
    for (let left = 100; existsSync(join("/proc", pid, "cwd")) && left > 0; left -= 1) await Bun.sleep(20);
    expect(existsSync(join("/proc", pid, "cwd"))).toBe(false);
    second.close();
  });

  test("whatever is waited for ends with the session", async () => {
    const session = await agent.session();
    const child = await session.exec({ argv: ["sleep", "1000"], cwd: "/" });
    const waits = Promise.allSettled([session.ready(), child.exit, bytesOf(child.stdout), session.ping()]);
    session.close();
    for (const outcome of await waits) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "guest_failed" } });
    }
    await expect(session.ping()).rejects.toMatchObject({ code: "guest_failed" });
    await expect(session.stats()).rejects.toMatchObject({ code: "guest_failed" });
  });

  test("garbage from a host is survived, and a session can follow it on the same connection", async () => {
    const raw = await agent.dial();
    for (let round = 0; round < 50; round += 1) raw.write(randomBytes(10_000));
    const session = await openAgentSession(raw, { handshakeTimeoutMs: 5000 });
    expect((await runIn(session, ["echo", "sane"])).stdout).toBe("sane\n");
    session.close();
  });

  test("a connection that broke off in the middle of a frame is taken over by the next session", async () => {
    const raw = await agent.dial();
    const half = Buffer.alloc(12);
    half.writeUInt32LE(60_000, 0);
    half.writeUInt8(7, 8);
    raw.write(Buffer.concat([Buffer.from("BNGRSYN1"), randomBytes(16), half, randomBytes(100)]));
    await new Promise<void>((resolve) => raw.once("data", () => resolve()));
    // The preamble is swallowed as part of the old frame; its repetition is not.
    const session = await openAgentSession(raw, { handshakeTimeoutMs: 8000 });
    await session.ping();
    session.close();
  }, 10_000);

  test("a guest that answers late, to a preamble that has been repeated, is understood", async () => {
    const raw = await agent.dial();
    // Stands for a port that nobody reads while the guest boots: everything arrives at once, after the repetition.
    let held: Buffer[] | undefined = [];
    const slow = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        if (held === undefined) raw.write(chunk);
        else held.push(chunk);
        done();
      },
      destroy: (error, done) => {
        raw.destroy();
        done(error);
      },
    });
    raw.on("data", (chunk) => slow.push(chunk));
    const opening = openAgentSession(slow, { handshakeTimeoutMs: 9000 });
    await Bun.sleep(2500);
    for (const chunk of held) raw.write(chunk);
    held = undefined;
    const session = await opening;
    expect((await runIn(session, ["echo", "late"])).stdout).toBe("late\n");
    session.close();
  }, 12_000);

  test("a guest that says nothing ends the handshake in time, one that babbles as well", async () => {
    const silent = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    await expect(openAgentSession(silent, { handshakeTimeoutMs: 50 })).rejects.toMatchObject({
      code: "timeout",
    });
    const cancel = new AbortController();
    const given = openAgentSession(new Duplex({ read: () => {}, write: (_c, _e, done) => done() }), {
      signal: cancel.signal,
    });
    cancel.abort();
    await expect(given).rejects.toMatchObject({ code: "cancelled" });
    const babble = Buffer.alloc(1 << 20, "x");
    const babbling = new Duplex({
      read() {
        this.push(babble);
      },
      write: (_chunk, _encoding, done) => done(),
    });
    await expect(openAgentSession(babbling, { handshakeTimeoutMs: 5000 })).rejects.toMatchObject({
      code: "guest_failed",
    });
  });

  describe("in a session", () => {
    let session: GuestSession;
    beforeAll(async () => {
      session = await agent.session();
    });

    test("bytes go both ways through a TCP connection, each way ending by itself", async () => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const heard: Buffer[] = [];
        socket.on("data", (chunk) => heard.push(chunk));
        socket.on("end", () => socket.end(Buffer.concat(heard)));
      });
      const port = await listen(server, { port: 0, host: "127.0.0.1" });
      const stream = await session.connect({ port });
      const sent = randomBytes(3_000_000);
      stream.end(sent);
      expect((await bytesOf(stream)).equals(sent)).toBe(true);
      server.close();
    });

    test("what is still under way is delivered to a server that ended first", async () => {
      const heard = Promise.withResolvers<number>();
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        let size = 0;
        socket.end("bye");
        socket.pause();
        setTimeout(() => socket.resume(), 200);
        socket.on("data", (chunk) => {
          size += chunk.length;
        });
        socket.on("end", () => heard.resolve(size));
      });
      const port = await listen(server, { port: 0, host: "127.0.0.1" });
      const stream = await session.connect({ port });
      stream.end(Buffer.alloc(3_000_000));
      // Not by iteration: that destroys the stream at its end, and with it what is still to be written.
      expect(await new Promise((resolve) => stream.once("data", (chunk) => resolve(String(chunk))))).toBe(
        "bye",
      );
      stream.resume();
      expect(await heard.promise).toBe(3_000_000);
      server.close();
    });

    test("a server on ::1 alone, or on a unix socket, is reached too", async () => {
      const greet = (socket: Socket) => socket.end("hello");
      const six = createServer(greet);
      const port = await listen(six, { port: 0, host: "::1" });
      expect((await bytesOf(await session.connect({ port }))).toString()).toBe("hello");
      six.close();
      const unix = createServer(greet);
      const path = join(agent.dir, "server");
      await listen(unix, path);
      expect((await bytesOf(await session.connect({ path }))).toString()).toBe("hello");
      unix.close();
    });

    test("a port nobody listens on is refused at once", async () => {
      const server = createServer();
      const port = await listen(server, { port: 0, host: "127.0.0.1" });
      await new Promise((resolve) => server.close(resolve));
      await expect(session.connect({ port })).rejects.toMatchObject({ code: "unavailable" });
      await expect(session.connect({ path: "/nowhere" })).rejects.toMatchObject({ code: "unavailable" });
    });

    test("a connection that is reset does not look like an orderly end", async () => {
      const server = createServer((socket) => {
        socket.write("some");
        socket.once("data", () => socket.resetAndDestroy());
      });
      const port = await listen(server, { port: 0, host: "127.0.0.1" });
      const stream = await session.connect({ port });
      stream.write("x");
      await expect(bytesOf(stream)).rejects.toMatchObject({ code: "guest_failed" });
      server.close();
    });

    test("listening ports are told with their process", async () => {
      const server = createServer();
      const port = await listen(server, { port: 0, host: "::1" });
      const ports = await session.ports();
      const comm = readFileSync("/proc/self/comm", "utf8").trim();
      expect(ports).toContainEqual({ protocol: "tcp", address: "::1", port, process: comm });
      server.close();
    });

    test("statistics agree with what the kernel says", async () => {
      const stats = await session.stats();
      const total = /MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
      expect(stats.memoryTotalBytes).toBe(Number(total) * 1024);
      expect(
        Math.abs(stats.uptimeSeconds - Number.parseFloat(readFileSync("/proc/uptime", "utf8"))),
      ).toBeLessThan(5);
      expect(stats.rootTotalBytes).toBeGreaterThan(stats.rootFreeBytes);
      expect(stats.processes).toBeGreaterThan(10);
    });

    test("commands wait for basic.target unless they are told not to", async () => {
      const order: string[] = [];
      const early = runIn(session, ["cat"], { after: "basic", input: "kept" }).then((outcome) => {
        order.push("basic");
        return outcome;
      });
      const cancel = new AbortController();
      const never = await session.exec({ argv: ["true"], cwd: "/" }, cancel.signal);
      cancel.abort();
      await expect(never.exit).rejects.toMatchObject({ code: "cancelled" });
      await runIn(session, ["true"]).then(() => order.push("agent"));
      let isReady = false;
      const ready = session.ready().then(() => {
        isReady = true;
      });
      await session.ping();
      expect(isReady).toBe(false);
      agent.reachBasic();
      await ready;
      expect((await early).stdout).toBe("kept");
      expect(order).toEqual(["agent", "basic"]);
      const later = await agent.session();
      expect(later.hello).toMatchObject({ basicReached: true });
      await later.ready();
      // One host at a time: the newest.
      expect((await session.closed).reason).toBe("the way to the guest was closed");
    });
  });
});
