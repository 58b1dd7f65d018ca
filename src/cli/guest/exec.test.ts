import { describe, expect, test } from "bun:test";
import { PassThrough, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { BangerError } from "../../base/base.ts";
import { runCli } from "../run-cli.ts";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { type FakeProcess, fakeGuest } from "../testing/fake-guest.ts";
import { banger, type Options, session } from "../testing/harness.ts";
import { chunksOf } from "./streams.ts";

function guest(body: (child: FakeProcess) => Promise<number>): FakeDaemon {
  const daemon: FakeDaemon = new FakeDaemon(fakeGuest(() => daemon, body));
  return daemon;
}

/** vm exec under way: its session, and its status to come. */
function running(daemon: FakeDaemon, options: Options = {}) {
  const run = session({ ...options, daemon });
  return { run, status: runCli(["vm", "exec", "vm1", "--", "cmd"], run.ctx) };
}

describe("a command in a guest", () => {
  test.each([0, 1, 2, 42, 126, 127, 130, 255])("passes its status %i on", async (status) => {
    const { status: ours, err } = await banger(["vm", "exec", "x", "--", "cmd"], {
      daemon: guest(async () => status),
    });
    expect([ours, err]).toEqual([status, ""]);
  });

  test("that is a line in quotes, and so one program's name, is told the shell's way", async () => {
    const run = (...argv: string[]) =>
      banger(["vm", "exec", "x", "--", ...argv], { daemon: guest(async () => 127) });
    expect((await run("make test")).err).toBe(
      "  hint: that is one word, so one program's name; for a shell: -- sh -c 'make test'\n",
    );
    expect((await run("make", "test now")).err).toBe("");
  });

  test("in a VM that has to go on first is waited for, and a person is told", async () => {
    const asleep = { stages: ["vmm_launch", "agent_hello"], said: "x was asleep: it goes on first\n" };
    const waits = "x is still starting: the command waits for it, and for its workspace\n";
    for (const { stderr, stages, said } of [
      { stderr: true, ...asleep },
      { stderr: true, stages: ["still_starting"], said: waits },
      { stderr: false, ...asleep },
    ]) {
      const daemon = guest(async () => 0);
      const exec = daemon.handlers["guest.exec"];
      daemon.handlers["guest.exec"] = async (params, call) => {
        for (const stage of stages) call.emit({ kind: "stage", stage, status: "begin" });
        return (await exec?.(params, call)) ?? { status: 1 };
      };
      const { status, err } = await banger(["vm", "exec", "x", "--", "cmd"], { daemon, tty: { stderr } });
      expect([status, err]).toEqual([0, stderr ? said : ""]);
    }
  });

  test("gets its arguments word for word, -- and flags included", async () => {
    let argv: string[] = [];
    const daemon = guest(async (child) => {
      argv = child.argv;
      return 0;
    });
    await banger(["vm", "exec", "x", "--", "sh", "-c", "exit 42", "--", "--help", ""], { daemon });
    expect(argv).toEqual(["sh", "-c", "exit 42", "--", "--help", ""]);
  });

  test("keeps its streams apart and exact to the byte", async () => {
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const daemon = guest(async ({ stdio, stderr }) => {
      stdio.write(noise);
      stderr.write("oops\r\n\x1b[31m");
      return 0;
    });
    const run = session({ daemon });
    expect(await runCli(["vm", "exec", "x", "--", "cmd"], run.ctx)).toBe(0);
    expect(run.bytesOut().equals(noise)).toBe(true);
    expect(run.err()).toBe("oops\r\n\x1b[31m");
  });

  test("gives all its output even when its status overtakes its streams", async () => {
    const daemon = guest(async ({ stdio }) => {
      stdio.end("late but whole");
      return 0;
    });
    const stream = daemon.stream.bind(daemon);
    daemon.stream = async (ticket) => {
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      return stream(ticket);
    };
    expect((await banger(["vm", "exec", "x", "--", "cmd"], { daemon })).out).toBe("late but whole");
  });

  test("reads our stdin to its end", async () => {
    const daemon = guest(async ({ stdio }) => {
      const input = await text(chunksOf(stdio));
      stdio.write(input.toUpperCase());
      return 3;
    });
    const { status, out } = await banger(["vm", "exec", "x", "--", "cat"], { daemon, stdin: "hello" });
    expect([status, out]).toEqual([3, "HELLO"]);
  });

  test("may end without reading its stdin", async () => {
    const endless = new PassThrough();
    endless.write("never read");
    const { status } = await banger(["vm", "exec", "x", "--", "true"], {
      daemon: guest(async () => 0),
      stdin: endless,
    });
    expect(status).toBe(0);
  });

  test("waits for a slow reader of its output instead of piling it up", async () => {
    let accepted = 0;
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        accepted += chunk.length;
        setImmediate(done);
      },
    });
    const daemon = guest(async ({ stdio }) => {
      for (let index = 0; index < 100; index += 1) {
        if (!stdio.write(Buffer.alloc(16_384)))
          await new Promise<void>((resolve) => stdio.once("drain", resolve));
      }
      return 0;
    });
    expect((await banger(["vm", "exec", "x", "--", "c"], { daemon, stdout: slow })).status).toBe(0);
    expect(accepted).toBe(100 * 16_384);
  });

  test("hears SIGPIPE when nobody reads its output any more, and nothing is said about it", async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("broken pipe"), { code: "EPIPE" })),
    });
    const daemon = guest(async ({ stdio, signalled }) => {
      stdio.write("y\n");
      return 128 + (await signalled);
    });
    const { status, err } = await banger(["vm", "exec", "x", "--", "yes"], { daemon, stdout: broken });
    expect([status, err]).toEqual([141, ""]);
  });

  test("that cannot be run is an error of banger's, status 1, with hint and operation", async () => {
    const daemon = new FakeDaemon({
      "guest.exec": () => {
        throw new BangerError("precondition", "VM x is stopped, not running", {
          hint: "start it first: banger vm start x",
          opId: "op-7",
        });
      },
    });
    const { status, err } = await banger(["vm", "exec", "x", "--", "ls"], { daemon });
    expect(status).toBe(1);
    expect(err).toBe(
      "banger: VM x is stopped, not running (op op-7)\n  hint: start it first: banger vm start x\n",
    );
  });

  test("that is lost on the way is an error, not a status", async () => {
    const daemon: FakeDaemon = guest(async ({ stdio }) => {
      stdio.write("half");
      throw new BangerError("unavailable", "the connection to the daemon is lost");
    });
    const { status, out, err } = await banger(["vm", "exec", "x", "--", "ls"], { daemon });
    expect(status).toBe(1);
    expect(["", "half"]).toContain(out);
    expect(err).toBe("banger: the connection to the daemon is lost\n");
  });
});

describe("interrupts of a command without a terminal", () => {
  test("the first Ctrl-C goes to the guest, whose status counts", async () => {
    const started = Promise.withResolvers<void>();
    const daemon = guest(async ({ signalled }) => {
      started.resolve();
      return (await signalled) === 2 ? 7 : 99;
    });
    const { run, status } = running(daemon);
    await started.promise;
    run.interrupt("SIGINT");
    expect(await status).toBe(7);
  });

  test("the third Ctrl-C within two seconds leaves a command that ignores it", async () => {
    const started = Promise.withResolvers<void>();
    const daemon = guest(({ cancelled }) => {
      started.resolve();
      return new Promise<number>((resolve) => cancelled.addEventListener("abort", () => resolve(137)));
    });
    const { run, status } = running(daemon);
    await started.promise;
    run.interrupt("SIGINT");
    run.advance(1000);
    run.interrupt("SIGINT");
    run.advance(1500);
    run.interrupt("SIGINT");
    run.advance(100);
    expect(await Promise.race([status, Promise.resolve("still there")])).toBe("still there");
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(run.err()).toBe("");
  });

  test.each([
    ["SIGTERM", 15, 143],
    ["SIGHUP", 1, 129],
  ] as const)(
    "%s goes to the guest, and two seconds later banger goes without it",
    async (name, number, expected) => {
      const started = Promise.withResolvers<void>();
      let got = 0;
      const daemon = guest(async ({ signalled, cancelled }) => {
        started.resolve();
        got = await signalled;
        return new Promise<number>((resolve) => cancelled.addEventListener("abort", () => resolve(137)));
      });
      const { run, status } = running(daemon);
      await started.promise;
      run.interrupt(name);
      await Promise.resolve();
      run.advance(2000);
      expect(await status).toBe(expected);
      expect(got).toBe(number);
    },
  );
});

describe("a command on a terminal", () => {
  const tty = { stdin: true, stdout: true, stderr: true };

  test("gets a terminal of our size and type, and ours is given back", async () => {
    const daemon = guest(async ({ stdio, tty: has }) => {
      stdio.write(has ? "tty\r\n" : "no tty");
      return 5;
    });
    const run = session({ daemon, tty, env: { TERM: "tmux-256color" } });
    expect(await runCli(["vm", "exec", "x", "--", "top"], run.ctx)).toBe(5);
    expect(run.out()).toBe("tty\r\n");
    expect(run.raw).toEqual([true, false]);
    expect(daemon.calls.find(({ method }) => method === "guest.exec")?.params).toMatchObject({
      tty: { columns: 80, rows: 24, term: "tmux-256color" },
    });
  });

  test("hears of a new size", async () => {
    const go = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const daemon = guest(async () => {
      started.resolve();
      await go.promise;
      return 0;
    });
    const { run, status } = running(daemon, { tty });
    await started.promise;
    run.resize(132, 50);
    go.resolve();
    await status;
    expect(daemon.calls.find(({ method }) => method === "guest.resize")?.params).toMatchObject({
      columns: 132,
      rows: 50,
    });
  });

  test("the terminal is given back when the call fails", async () => {
    const daemon = new FakeDaemon({
      "guest.exec": () => Promise.reject(new BangerError("not_found", "there is no VM x")),
    });
    const run = session({ daemon, tty });
    expect(await runCli(["vm", "exec", "x", "--", "top"], run.ctx)).toBe(1);
    expect(run.raw).toEqual([true, false]);
  });

  test("SIGHUP leaves at once and gives the terminal back", async () => {
    const started = Promise.withResolvers<void>();
    const daemon = guest(({ cancelled }) => {
      started.resolve();
      return new Promise<number>((resolve) => cancelled.addEventListener("abort", () => resolve(137)));
    });
    const { run, status } = running(daemon, { tty });
    await started.promise;
    run.interrupt("SIGHUP");
    expect(await status).toBe(129);
    expect(run.raw).toEqual([true, false]);
  });
});
