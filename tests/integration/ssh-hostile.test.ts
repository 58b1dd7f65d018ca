/** A guest that has the pinned key and still cannot be trusted: what it may cost, and what it may not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type Connection, type ServerChannel } from "ssh2";
import { type GuestSession, openSession } from "../../src/guest/guest.ts";
import { openSshSession } from "../../src/guest/ssh-session.ts";
import { dialPort } from "./ssh-fixture.ts";

const host = ssh2.utils.generateKeyPairSync("ed25519");
const user = ssh2.utils.generateKeyPairSync("ed25519");

/** The parts of ssh2's server that are not meant to be used. */
interface Wire {
  _protocol: {
    channelOpenConfirm(to: number, from: number, window: number, packet: number): void;
    channelData(to: number, data: Buffer): void;
    exitStatus(to: number, status: number): void;
    _packetRW: { write: { alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  };
}

const sockets = new Set<Socket>();
const servers: NetServer[] = [];
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

type OnCommand = (channel: ServerChannel, wire: Wire, word: string) => void;

/** An ssh server that lets everybody in, answers what the session asks at first, and then does as told. */
function guest(onCommand: OnCommand, prepare: (wire: Wire, client: Connection) => void = () => {}) {
  const server = new ssh2.Server({ hostKeys: [host.private] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (ctx) => ctx.accept());
    client.on("ready", () => {
      prepare(client as unknown as Wire, client);
      client.on("session", (accept) => {
        accept().on("exec", (take, _refuse, { command }) => {
          const channel = take();
          channel.on("error", () => {});
          const word = /banger-[0-9a-f]{32}/.exec(command)?.[0];
          if (word !== undefined) return onCommand(channel, client as unknown as Wire, word);
          channel.write("boot\nkernel\x1b[31m\n");
          channel.exit(0);
          channel.end();
        });
      });
    });
  });
  return listen((socket) => server.injectSocket(socket));
}

/** Our ends, the last one last. */
const dialled: Socket[] = [];

function session(port: number, liveness?: { askMs: number; lostMs: number }): Promise<GuestSession> {
  return openSshSession(
    {
      user: "root",
      dial: async () => {
        const socket = await dialPort(port);
        dialled.push(socket);
        return socket;
      },
      hostKey: async () => host.public,
      privateKey: async () => user.private,
    },
    { signal: AbortSignal.timeout(3000), ...(liveness === undefined ? {} : { liveness }) },
  );
}

const idOf = (channel: ServerChannel) => (channel.outgoing as { id: number }).id;
const begin = (channel: ServerChannel, word: string) => {
  channel.stderr.write(`${word} 4711\n`);
  channel.write(`${word} 4711\n`);
};
const request = { argv: ["x"], cwd: "/" };

describe("an ssh server that cannot be trusted", () => {
  test("has control characters taken out of what it calls itself", async () => {
    const open = await session(await guest(() => {}));
    expect(open.hello.kernelRelease).toBe("kernel [31m");
    open.close();
  });

  test("is held up by the reader, though it keeps to no window", async () => {
    let sent = 0;
    const port = await guest((channel, wire, word) => {
      begin(channel, word);
      const flood = () => {
        for (let at = 0; at < 32; at += 1) wire._protocol.channelData(idOf(channel), Buffer.alloc(30_000));
        sent += 32 * 30_000;
        if (sent < 200_000_000) setTimeout(flood, 1);
      };
      setTimeout(flood, 50);
    });
    const open = await session(port);
    const child = await open.exec(request);
    await Bun.sleep(1500);
    expect(sent).toBeGreaterThan(100_000_000);
    expect(child.stdout.readableLength).toBeLessThan(2 << 20);
    // The rest is still the server's, in its own buffers.
    expect(dialled.at(-1)?.bytesRead).toBeLessThan(8 << 20);
    open.close();
    await expect(child.exit).rejects.toMatchObject({ code: "guest_failed" });
  });

  test("that takes packets of no size ends its session, and not the daemon", async () => {
    const port = await guest(
      () => {},
      (wire) => {
        const { channelOpenConfirm } = wire._protocol;
        wire._protocol.channelOpenConfirm = (to, from, window) =>
          channelOpenConfirm.call(wire._protocol, to, from, window, 0);
      },
    );
    await expect(session(port)).rejects.toThrow("sensible size");
  });

  test("that never says how a command ended, or closes in the middle, fails the command", async () => {
    const port = await guest((channel, _wire, word) => {
      begin(channel, word);
      channel.end();
    });
    const open = await session(port);
    const child = await open.exec(request);
    child.stdout.resume();
    child.stderr.resume();
    await expect(child.exit).rejects.toThrow("did not say how");
    open.close();
  });

  test("that cuts the connection fails the command, and its output does not look complete", async () => {
    const port = await guest((channel, wire, word) => {
      begin(channel, word);
      channel.write("half");
      setTimeout(() => (wire as unknown as { _sock: Socket })._sock.destroy(), 100);
    });
    const open = await session(port);
    const child = await open.exec(request);
    const read = (async () => {
      for await (const _ of child.stdout);
    })();
    await expect(read).rejects.toMatchObject({ code: "guest_failed" });
    await expect(child.exit).rejects.toMatchObject({ code: "guest_failed" });
    open.close();
  });

  test("whose shell talks without an end before the command is given up", async () => {
    const port = await guest((channel) => {
      channel.write(Buffer.alloc(100_000, "x"));
    });
    const open = await session(port);
    await expect(open.exec(request)).rejects.toThrow("says too much");
    open.close();
  });

  test("that falls silent is given up while a command runs", async () => {
    const port = await guest((channel, wire, word) => {
      begin(channel, word);
      setTimeout(() => (wire as unknown as { _sock: Socket })._sock.pause(), 50);
    });
    const open = await session(port, { askMs: 50, lostMs: 400 });
    const child = await open.exec(request);
    await expect(child.exit).rejects.toThrow("does not answer any more");
    open.close();
  });

  test("that asks without reading the answers ends its session", async () => {
    const port = await guest((channel, wire, word) => {
      begin(channel, word);
      const client = wire as unknown as Connection & { _sock: Socket };
      client._sock.pause();
      const ask = () => {
        for (let at = 0; at < 2000; at += 1) client.forwardOut("127.0.0.1", 1, "127.0.0.1", 1, () => {});
        if (!client._sock.destroyed) setTimeout(ask, 1);
      };
      setTimeout(ask, 50);
    });
    const open = await session(port);
    const child = await open.exec(request);
    await expect(child.exit).rejects.toThrow("floods this side");
    open.close();
  }, 20_000);

  const strangers: [string, (socket: Socket) => void][] = [
    ["says nothing", () => {}],
    ["closes at once", (socket) => socket.destroy()],
    ["speaks another protocol", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["never ends its greeting", (socket) => socket.write("x".repeat(1_000_000))],
  ];
  test.each(strangers)("that %s is not waited for longer than asked", async (_what, behave) => {
    const port = await listen(behave);
    await expect(session(port)).rejects.toMatchObject({
      code: expect.stringMatching(/cancelled|unavailable|guest_failed/),
    });
  });
});

describe("the choice of the way", () => {
  const patience = { agentMs: 300, agentAloneMs: 50, sshMs: 2000 };
  const never = () => new Promise<never>(() => {});
  const silent = (signal: AbortSignal) =>
    new Promise<GuestSession>((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error("no agent"))),
    );
  let port = 0;
  beforeAll(async () => {
    port = await guest(() => {});
  });
  const ssh = (hostKey = host.public) => ({
    user: "root",
    dial: () => dialPort(port),
    hostKey: async () => hostKey,
    privateKey: async () => user.private,
  });
  const signal = new AbortController().signal;

  test("an agent that answers is taken, and ssh is not even dialled", async () => {
    const agent = { channel: "agent" } as GuestSession;
    const dial = () => Promise.reject(new Error("dialled"));
    expect(await openSession({ agent: async () => agent, ssh: { ...ssh(), dial } }, patience, signal)).toBe(
      agent,
    );
  });

  test("an agent that is silent is given its time, then ssh is taken", async () => {
    const open = await openSession({ agent: silent, ssh: ssh() }, patience, signal);
    expect(open.channel).toBe("ssh");
    open.close();
  });

  test("without a network to the guest the agent's error stays as it is", async () => {
    await expect(openSession({ agent: silent, ssh: undefined }, patience, signal)).rejects.toThrow(
      "no agent",
    );
  });

  test("when neither answers, the error is the agent's, and says why ssh did not help", async () => {
    const other = ssh2.utils.generateKeyPairSync("ed25519").public;
    await expect(openSession({ agent: silent, ssh: ssh(other) }, patience, signal)).rejects.toMatchObject({
      message: "no agent",
      details: { ssh: expect.stringContaining("host key") },
    });
  });

  test("an sshd that hangs is given its time, and the error says so", async () => {
    const dial = never as unknown as () => Promise<Duplex>;
    const brief = { ...patience, sshMs: 500 };
    await expect(
      openSession({ agent: silent, ssh: { ...ssh(), dial } }, brief, signal),
    ).rejects.toMatchObject({ details: { ssh: "sshd did not let us in within 0.5 s" } });
  });

  test("an agent that comes too late is sent away", async () => {
    const late = Promise.withResolvers<GuestSession>();
    let closed = false;
    const open = await openSession({ agent: () => late.promise, ssh: ssh() }, patience, signal);
    late.resolve({ channel: "agent", close: () => (closed = true) } as unknown as GuestSession);
    await Bun.sleep(0);
    expect(closed).toBe(true);
    open.close();
  });

  test("who does not want to wait any longer is told at once", async () => {
    const cancel = new AbortController();
    const dial = never as unknown as () => Promise<Duplex>;
    const opening = openSession({ agent: silent, ssh: { ...ssh(), dial } }, patience, cancel.signal);
    setTimeout(() => cancel.abort(), 100);
    const limit = Bun.sleep(5000).then(() => Promise.reject(new Error("still waiting")));
    await expect(Promise.race([opening, limit])).rejects.not.toThrow("still waiting");
  });
});
