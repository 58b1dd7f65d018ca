import { describe, expect, test } from "bun:test";
import { createServer, connect as dial } from "node:net";
import { buffer } from "node:stream/consumers";
import { BangerError } from "../../base/base.ts";
import { runCli } from "../run-cli.ts";
import { bytePair } from "../testing/byte-pair.ts";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { daemonThat } from "../testing/fake-run.ts";
import { banger, session } from "../testing/harness.ts";
import { readForward } from "./forward-spec.ts";
import { chunksOf } from "./streams.ts";

describe("what stands for a port", () => {
  test.each([
    ["8080", "127.0.0.1", 8080, 8080],
    ["8080:80", "127.0.0.1", 8080, 80],
    ["0:80", "127.0.0.1", 0, 80],
    ["localhost:1:2", "127.0.0.1", 1, 2],
    ["0.0.0.0:8080:80", "0.0.0.0", 8080, 80],
    ["[::1]:8080:80", "::1", 8080, 80],
  ])("%s", (given, address, hostPort, guestPort) => {
    expect(readForward(given)).toEqual({ address, hostPort, guestPort });
  });

  test.each([
    "",
    "0",
    "x",
    "65536",
    "80:",
    ":80",
    "1:0",
    "a:1:2",
    "::1:8080:80",
    "256.0.0.1:1:2",
    "-1:2",
    "1:2:3:4",
  ])("%p is refused", (given) => {
    expect(() => readForward(given)).toThrow();
  });
});

/** Of a guest that answers, once it has heard everything, with what it heard. */
function echoing(refuse: (port: number) => boolean = () => false): FakeDaemon {
  const daemon: FakeDaemon = new FakeDaemon({
    "vm.show": () => fakeVm("calm-otter", { startedAt: "2026-03-04T11:00:00.000Z" }),
    "guest.connect": ({ port }) => {
      if (refuse(port))
        throw new BangerError(
          "unavailable",
          `port ${port} in the guest cannot be reached: connection refused`,
        );
      const [near, far] = bytePair();
      void buffer(chunksOf(far)).then((heard) => far.end(Buffer.concat([Buffer.from(`${port}: `), heard])));
      return { ticket: daemon.ticket(near) };
    },
  });
  return daemon;
}

function say(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = dial({ port, host: "127.0.0.1", allowHalfOpen: true }, () => socket.end(text));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(5);
}

describe("vm port-forward", () => {
  test("joins connections to the guest's ports, each way ended by itself, until Ctrl-C", async () => {
    const run = session({ daemon: echoing() });
    const status = runCli(["vm", "port-forward", "calm-otter", "0:80", "0:5432"], run.ctx);
    await until(() => run.out().split("\n").length === 3);
    expect(run.out()).toMatch(
      /^127\.0\.0\.1:[0-9]+ -> calm-otter:80\n127\.0\.0\.1:[0-9]+ -> calm-otter:5432\n$/,
    );
    const [web = 0, db = 0] = [...run.out().matchAll(/1:([0-9]+)/g)].map(([, port]) => Number(port));
    const large = "x".repeat(1_000_000);
    expect(await Promise.all([say(web, "a"), say(web, large), say(db, "b")])).toEqual([
      "80: a",
      `80: ${large}`,
      "5432: b",
    ]);
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(say(web, "")).rejects.toThrow();
  });

  test("what goes wrong with a connection is said once, not for each attempt", async () => {
    const run = session({ daemon: echoing(() => true) });
    const status = runCli(["vm", "port-forward", "calm-otter", "0:9"], run.ctx);
    await until(() => run.out() !== "");
    const port = Number(/1:([0-9]+)/.exec(run.out())?.[1]);
    for (let n = 0; n < 3; n += 1) await say(port, "").catch(() => {});
    await until(() => run.err() !== "");
    expect(run.err()).toBe("port 9 in the guest cannot be reached: connection refused\n");
    run.interrupt("SIGTERM");
    expect(await status).toBe(143);
  });

  test("warns of an address that others can reach", async () => {
    const run = session({ daemon: echoing() });
    const status = runCli(["vm", "port-forward", "calm-otter", "0.0.0.0:0:80"], run.ctx);
    await until(() => run.out() !== "");
    expect(run.err()).toBe("warning: whoever reaches this host by 0.0.0.0 reaches port 80 of the VM\n");
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
  });

  test("refuses a port in use, and listens on none of them then", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    const words = ["vm", "port-forward", "calm-otter", "0:80", `${port}:80`];
    const { status, out, err } = await banger(words, { daemon: echoing() });
    taken.close();
    expect([status, out]).toEqual([1, ""]);
    expect(err).toStartWith(`banger: port 127.0.0.1:${port} of this host is in use\n`);
  });

  test("refuses a VM that does not run", async () => {
    const daemon = new FakeDaemon({ "vm.show": () => fakeVm("calm-otter", { state: "stopped" }) });
    const { status, err } = await banger(["vm", "port-forward", "calm-otter", "80"], { daemon });
    expect([status, err]).toEqual([
      1,
      "banger: VM calm-otter is stopped, not running\n  hint: start it first: banger vm start calm-otter\n",
    ]);
  });
});

describe("vm run -p", () => {
  test("leads there for as long as the command runs, and says where it listens", async () => {
    const ending = Promise.withResolvers<void>();
    const daemon = daemonThat({
      "guest.exec": async () => {
        await ending.promise;
        return { status: 3 };
      },
    });
    const echo = echoing();
    daemon.handlers["guest.connect"] = (params, call) => {
      const connect = echo.handlers["guest.connect"];
      if (connect === undefined) throw new Error("it answers");
      return Promise.resolve(connect(params, call)).then((result) => {
        for (const [ticket, stream] of echo.streams) daemon.streams.set(ticket, stream);
        return result;
      });
    };
    const run = session({ daemon });
    const status = runCli(["vm", "run", "-p", "0:80", "--publish", "0:81", "--", "serve"], run.ctx);
    await until(() => /:81\n/.test(run.err()));
    const ports = [...run.err().matchAll(/127\.0\.0\.1:([0-9]+) -> calm-otter:8[01]\n/g)].map(([, port]) =>
      Number(port),
    );
    expect(await Promise.all(ports.map((port) => say(port, "x")))).toEqual(["80: x", "81: x"]);
    ending.resolve();
    expect(await status).toBe(3);
    for (const port of ports) expect(say(port, "")).rejects.toThrow();
  });

  test("a port in use is an error before anything is made", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    const daemon = daemonThat();
    const { status, err } = await banger(["vm", "run", "-p", `${port}:80`, "--", "x"], { daemon });
    taken.close();
    expect([status, daemon.methods]).toEqual([1, []]);
    expect(err).toContain("of this host is in use");
  });

  test("what is no port is refused with the word that was given", async () => {
    const { status, err } = await banger(["vm", "run", "-p", "80:http", "--", "x"]);
    expect([status, err.split("\n")[0]]).toEqual([
      1,
      'banger: --publish "80:http": has no port in "http" (1 to 65535)',
    ]);
  });
});
