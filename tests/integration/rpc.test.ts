/** Server and client over a real unix socket, with handlers of the tests' own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { BangerError } from "../../src/base/base.ts";
import { Happenings } from "../../src/daemon/lifecycle/happenings.ts";
import { FrameReader, frame } from "../../src/rpc/frames.ts";
import {
  type Client,
  connect,
  type Handlers,
  type Happening,
  owner,
  type Server,
  serve,
} from "../../src/rpc/rpc.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
let dir: string;
let socketPath: string;
let server: Server | undefined;
const clients: Client[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-rpc-"));
  socketPath = join(dir, "run", "s.sock");
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server?.close();
  rmSync(dir, { recursive: true });
});

async function start(handlers: Partial<Handlers>): Promise<Client> {
  server = await serve({
    table: owner,
    program: { name: "bangerd", versionHint: "" },
    socketPath,
    handlers: handlers as Handlers,
    log: quiet,
  });
  return open();
}

async function open(): Promise<Client> {
  const client = await connect(socketPath);
  clients.push(client);
  return client;
}

const failure = async (promise: Promise<unknown>): Promise<BangerError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof BangerError) return error;
  throw new Error(`expected a BangerError, got ${error}`);
};

describe("events without end", () => {
  test("grow nothing for a reader that does not read: it is told how many it missed, and goes on", async () => {
    const happenings = new Happenings(quiet, 100);
    await start({
      "events.follow": async ({ sinceMs, follow }, { signal, emit, ready }) => {
        await happenings.tell({ sinceMs, follow, signal, emit, ready });
        return {};
      },
    });
    const reader = dial(socketPath);
    reader.write("rpc\n");
    const asked = {
      jsonrpc: "2.0",
      id: 1,
      method: "events.follow",
      params: { op: "00000001", params: { follow: true } },
    };
    reader.write(frame(JSON.stringify(asked)));
    await Bun.sleep(50);
    reader.pause();
    const count = 20_000;
    for (let number = 0; number < count; number += 1) {
      happenings.add("vm.failed", { id: String(number), name: "vm" }, { error: "x".repeat(300) });
      if (number % 100 === 0) await Bun.sleep(0);
    }
    const frames = new FrameReader();
    const told: Happening[] = [];
    const all = Promise.withResolvers<void>();
    reader.on("data", (chunk: Buffer) => {
      for (const text of frames.read(chunk)) told.push(JSON.parse(text).params.event);
      if (told.at(-1)?.subject?.id === String(count - 1)) all.resolve();
    });
    reader.resume();
    await all.promise;
    reader.destroy();
    const dropped = told.filter(({ kind }) => kind === "events.dropped");
    const missed = dropped.reduce((sum, { details }) => sum + Number(details.count), 0);
    expect(missed).toBeGreaterThan(count / 2);
    expect(told.length - dropped.length + missed).toBe(count);
  });

  test("are cancelled by their reader, like any call", async () => {
    const happenings = new Happenings(quiet);
    const client = await start({
      "events.follow": async ({ follow }, { signal, emit, ready }) => {
        await happenings.tell({ sinceMs: undefined, follow, signal, emit, ready });
        return {};
      },
    });
    const leave = new AbortController();
    const told: string[] = [];
    const call = client.call(
      "events.follow",
      { follow: true },
      { signal: leave.signal, onEvent: ({ kind }) => void told.push(kind) },
    );
    await Bun.sleep(50);
    happenings.add("vm.created", { id: "i", name: "a" });
    await Bun.sleep(50);
    leave.abort();
    expect(await call).toEqual({});
    expect(told).toEqual(["vm.created"]);
  });
});

describe("calls", () => {
  test("carry params there and results back, and the socket is the owner's alone", async () => {
    const client = await start({ ping: async () => ({ version: "1", commit: "c", pid: 7 }) });
    expect(await client.call("ping", {})).toEqual({ version: "1", commit: "c", pid: 7 });
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "run")).mode & 0o777).toBe(0o700);
  });

  test("know how many other clients there are", async () => {
    const first = await start({
      ping: async (_params, ctx) => ({ version: "1", commit: "c", pid: 7, others: ctx.others().length }),
    });
    expect((await first.call("ping", {})).others).toBe(0);
    const second = await open();
    expect((await second.call("ping", {})).others).toBe(1);
    first.close();
    await first.closed;
    for (let tries = 0; (await second.call("ping", {})).others !== 0; tries += 1)
      expect(tries).toBeLessThan(100);
  });

  test("know what others have under way, and that one is connected who has nothing", async () => {
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    const first = await start({
      "daemon.operations.list": async (_params, ctx) => ctx.others(),
      "vm.start": async () => {
        await until;
        throw new BangerError("not_found", "there is none");
      },
    });
    const second = await open();
    const seen = async () =>
      (await second.call("daemon.operations.list", {})).map(({ method, op }) => [method, op]);
    expect(await seen()).toEqual([[null, null]]);
    const under = failure(first.call("vm.start", { ref: "x" }, { op: "01234567" }));
    for (let tries = 0; (await seen())[0]?.[0] === null; tries += 1) expect(tries).toBeLessThan(100);
    expect(await seen()).toEqual([["vm.start", "01234567"]]);
    goOn();
    await under;
    expect(await seen()).toEqual([[null, null]]);
  });

  test("with an unknown key are refused, naming it", async () => {
    const client = await start({ "vm.show": async () => Promise.reject(new Error("not reached")) });
    const error = await failure(client.call("vm.show", { ref: "x", colour: "red" } as never));
    expect({ code: error.code, named: error.message.includes("colour") }).toEqual({
      code: "bad_request",
      named: true,
    });
  });

  test("of an unknown method say what to do", async () => {
    const client = await start({});
    expect((await failure(client.call("vm.explode" as never, {} as never))).code).toBe("unknown_method");
  });

  test("that fail bring back code, message, hint and the operation's id; a bug brings no stack", async () => {
    const client = await start({
      "vm.list": async () => Promise.reject(new BangerError("no_space", "full", { hint: "free some" })),
      ping: async () => Promise.reject(new TypeError("oops")),
    });
    const error = await failure(client.call("vm.list", {}, { op: "0123abcd" }));
    expect(error).toMatchObject({ code: "no_space", message: "full", hint: "free some", opId: "0123abcd" });
    expect((await failure(client.call("ping", {}))).code).toBe("internal");
  });

  test("stream their events in order, before the result", async () => {
    const client = await start({
      "image.pull": async (_params, ctx) => {
        for (const stage of ["a", "b", "c"]) ctx.emit({ kind: "stage", stage, status: "begin" });
        return {
          id: "i",
          name: "n",
          kind: "recipe",
          present: true,
          outdated: false,
          description: "",
          kernel: "",
          sizeBytes: null,
          createdAt: null,
          path: null,
          oci: null,
        };
      },
    });
    const seen: string[] = [];
    await client.call(
      "image.pull",
      { ref: "x" },
      { onEvent: (event) => event.kind === "stage" && seen.push(event.stage) },
    );
    expect(seen).toEqual(["a", "b", "c"]);
  });

  test("are cancelled on the other side by the client's abort, and by its going away", async () => {
    for (const how of ["abort", "close"] as const) {
      const cancelled = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      server?.close();
      const client = await start({
        "image.pull": (_params, ctx) => {
          begun.resolve();
          return new Promise((_resolve, reject) =>
            ctx.signal.addEventListener("abort", () => {
              cancelled.resolve();
              reject(new BangerError("cancelled", "cancelled"));
            }),
          );
        },
      });
      const abort = new AbortController();
      const call = failure(client.call("image.pull", { ref: "x" }, { signal: abort.signal }));
      await begun.promise;
      if (how === "abort") abort.abort();
      else client.close();
      await cancelled.promise;
      expect((await call).code).toBe(how === "abort" ? "cancelled" : "unavailable");
    }
  });
});

describe("streams by ticket", () => {
  test("carry 100 MB each way with half-close, to a slow reader too", async () => {
    const client = await start({
      "guest.connect": async (_params, ctx) => ({ ticket: ctx.ticket((stream) => stream.pipe(stream)) }),
    });
    const { ticket } = await client.call("guest.connect", { ref: "x", port: 1 });
    const stream = await client.stream(ticket);
    const chunk = Buffer.alloc(1 << 20, 5);
    let received = 0;
    const done = new Promise<void>((resolve) => {
      stream.on("data", (bytes: Buffer) => {
        received += bytes.length;
        if (received % 7 === 0) {
          stream.pause();
          setImmediate(() => stream.resume());
        }
      });
      stream.on("end", resolve);
    });
    for (let index = 0; index < 100; index += 1) {
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
    }
    stream.end();
    await done;
    expect(received).toBe(100 << 20);
  });

  test.each([false, true])(
    "are closed when their client is killed (having ended its own way before: %p)",
    async (ended) => {
      const taken = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<boolean>();
      const client = await start({
        "guest.connect": async (_params, ctx) => ({
          ticket: ctx.ticket((stream) => {
            taken.resolve();
            stream.on("close", () => closed.resolve(true)).resume();
          }),
        }),
      });
      const { ticket } = await client.call("guest.connect", { ref: "x", port: 1 });
      const line = JSON.stringify(`ticket ${ticket}\n`);
      const say = `const s = require("node:net").connect({ path: ${JSON.stringify(socketPath)}, allowHalfOpen: true });
      s.${ended ? "end" : "write"}(${line}); setInterval(() => {}, 1000)`;
      const other = spawn(process.execPath, ["-e", say], { stdio: "ignore" });
      await taken.promise;
      await Bun.sleep(100);
      other.kill("SIGKILL");
      expect(await Promise.race([closed.promise, Bun.sleep(3000)])).toBe(true);
    },
  );

  test("work once, and not by guessing", async () => {
    const client = await start({
      "guest.connect": async (_params, ctx) => ({ ticket: ctx.ticket((stream) => stream.end("hello")) }),
    });
    const { ticket } = await client.call("guest.connect", { ref: "x", port: 1 });
    expect(await text(await client.stream(ticket))).toBe("hello");
    expect((await failure(client.stream(ticket))).code).toBe("unavailable");
    expect((await failure(client.stream("f".repeat(32)))).code).toBe("unavailable");
  });

  test("are void when the call's connection has gone", async () => {
    const client = await start({
      "guest.connect": async (_params, ctx) => ({ ticket: ctx.ticket((stream) => stream.end()) }),
    });
    const { ticket } = await client.call("guest.connect", { ref: "x", port: 1 });
    const second = await open();
    client.close();
    await client.closed;
    await Bun.sleep(20);
    expect((await failure(second.stream(ticket))).code).toBe("unavailable");
  });
});

describe("a socket that is removed", () => {
  test.each(["the socket", "its directory"])(
    "%s: the server listens anew, and old connections go on",
    async (what) => {
      const old = await start({ ping: async () => ({ version: "1", commit: "c", pid: 7 }) });
      rmSync(what === "the socket" ? socketPath : dirname(socketPath), { recursive: true });
      for (let tries = 0; !existsSync(socketPath); tries += 1) {
        expect(tries).toBeLessThan(500);
        await Bun.sleep(5);
      }
      await Bun.sleep(20);
      expect((await (await open()).call("ping", {})).pid).toBe(7);
      expect((await old.call("ping", {})).pid).toBe(7);
      expect(statSync(dirname(socketPath)).mode & 0o777).toBe(0o700);
    },
  );
});

describe("a bad peer", () => {
  const raw = (bytes: string | Uint8Array) =>
    new Promise<string>((resolve) => {
      const socket = dial(socketPath, () => socket.write(bytes));
      let said = "";
      socket.on("data", (chunk) => {
        said += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(said));
    });

  test("that does not read its answers is not listened to meanwhile, and gets all of them in the end", async () => {
    let calls = 0;
    await start({
      "guest.exec": () => {
        calls += 1;
        return Promise.reject(new BangerError("operation_failed", "y".repeat(100_000)));
      },
    });
    const socket = dial(socketPath).pause();
    const count = 400;
    const request = (id: number) => {
      const params = { op: "0123abcd", params: { ref: "v", argv: ["x".repeat(50_000)] } };
      const body = JSON.stringify({ jsonrpc: "2.0", id, method: "guest.exec", params });
      return `Content-Length: ${body.length}\r\n\r\n${body}`;
    };
    socket.write("rpc\n");
    for (let id = 0; id < count; id += 1) socket.write(request(id));
    for (let before = -1; before !== calls; await Bun.sleep(300)) before = calls;
    expect(calls).toBeLessThan(count / 2);
    let answers = 0;
    socket.on("data", (chunk) => (answers += chunk.toString("latin1").split('"jsonrpc"').length - 1));
    socket.resume();
    while (calls < count || answers < count - 5) await Bun.sleep(5);
    socket.destroy();
  }, 20_000);

  test("that sends garbage, or too much, loses its connection and nobody else's", async () => {
    const client = await start({ ping: async () => ({ version: "1", commit: "c", pid: 7 }) });
    const frames = [
      "GET / HTTP/1.1\r\n\r\n",
      new Uint8Array(100_000),
      "rpc\nContent-Length: 99999999\r\n\r\n",
      "rpc\nContent-Length: -1\r\n\r\n",
      `rpc\n${"x".repeat(10_000)}`,
      "rpc\nContent-Length: 3\r\n\r\n{]}",
    ];
    for (const bytes of frames) await raw(bytes);
    expect((await client.call("ping", {})).pid).toBe(7);
  });

  test("of another user is refused even where the modes would let it in", async () => {
    if (process.getuid?.() !== 0) return;
    const client = await start({ ping: async () => ({ version: "1", commit: "c", pid: 7 }) });
    for (const path of [dir, join(dir, "run")]) chmodSync(path, 0o755);
    chmodSync(socketPath, 0o666);
    // perl-base is part of every Debian; a login shell of nobody's is not.
    const script =
      'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un($ARGV[0])) or die "no connection"; print "connected "; sysread(S, $b, 10); print length($b // "")';
    const other = spawn("setpriv", [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "perl",
      "-e",
      script,
      socketPath,
    ]);
    // Let in by the modes, shut out by its uid: the connection ends without a byte.
    expect(await text(other.stdout)).toBe("connected 0");
    expect((await client.call("ping", {})).pid).toBe(7);
  });
});
