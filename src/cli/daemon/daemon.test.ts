import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../run-cli.ts";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { banger, session } from "../testing/harness.ts";

const status = {
  pid: 4711,
  version: "0.1.0",
  commit: "0123abcd",
  mode: "user" as const,
  modeReason: "no system installation",
  socket: "/run/user/1000/banger/bangerd.sock",
  logPath: "/home/u/.local/state/banger/bangerd.log",
  stateDir: "/home/u/.local/state/banger",
  startedAt: "2026-03-04T10:00:00Z",
  rssBytes: 41 * 1024 * 1024,
  vmsRunning: 1,
  vmsTotal: 3,
  names: { server: "127.0.0.1:42069", routed: false },
  driver: "qemu",
  acceleration: "tcg",
  driverReason: "the CPU has neither vmx nor svm",
  driverHint: null,
  driverUsable: true,
  diskStrategy: "qcow2",
  idleTimeoutMs: 600_000,
};

describe("banger daemon", () => {
  test("status shows what it runs with", async () => {
    const daemon = new FakeDaemon({ "daemon.status": () => status });
    expect((await banger(["daemon", "status"], { daemon })).out).toMatchInlineSnapshot(`
      "pid:              4711
      version:          0.1.0 (0123abcd)
      mode:             user (no system installation)
      socket:           /run/user/1000/banger/bangerd.sock
      log:              /home/u/.local/state/banger/bangerd.log
      state:            /home/u/.local/state/banger
      started:          2 hours ago
      memory:           41M
      vms:              1 running, 3 in all
      names:            NAME.vm at 127.0.0.1:42069
      driver:           qemu (tcg)
      why this driver:  the CPU has neither vmx nor svm (more: banger doctor)
      root disks:       qcow2
      ends itself:      after 600 s without work
      "
    `);
    expect(JSON.parse((await banger(["daemon", "status", "--json"], { daemon })).out)).toEqual(status);
  });

  test("status of one that does not run is 1, and starts none", async () => {
    const { status: exit, out, err } = await banger(["daemon", "status"]);
    expect([exit, out]).toEqual([1, ""]);
    expect(err).toBe(
      "banger: the daemon is not running\n  hint: the next command that needs it starts it, such as: banger vm list\n",
    );
  });

  test("stop ends it, and returns when it has ended; one that does not run is fine", async () => {
    const stoppable = (others: number): FakeDaemon => {
      const daemon = new FakeDaemon({
        ping: () => ({ version: "1", commit: "c", pid: 1, others }),
        "daemon.stop": () => {
          setTimeout(() => {
            happened.push("ended");
            daemon.close();
          }, 20);
          return {};
        },
      });
      return daemon;
    };
    const happened: string[] = [];
    const daemon = stoppable(0);
    expect(await banger(["daemon", "stop"], { daemon })).toEqual({
      ...{ status: 0, out: "", err: "the daemon (process 1) has ended; VMs that run go on\n" },
    });
    expect(daemon.methods).toEqual(["ping", "daemon.stop"]);
    expect(happened).toEqual(["ended"]);
    expect((await banger(["daemon", "stop"], { daemon: stoppable(2) })).err).toBe(
      "cut off what was under way: 2 commands\nthe daemon (process 1) has ended; VMs that run go on\n",
    );
    expect(await banger(["daemon", "stop"])).toEqual({
      status: 0,
      out: "",
      err: "the daemon is not running\n",
    });
  });

  test("stop can be left alone with a daemon that does not end", async () => {
    const ping = () => ({ version: "1", commit: "c", pid: 1, others: 0 });
    const run = session({ daemon: new FakeDaemon({ ping, "daemon.stop": () => ({}) }) });
    setTimeout(() => run.interrupt("SIGINT"), 20);
    expect(await runCli(["daemon", "stop"], run.ctx)).toBe(130);
  });

  test("socket prints the path whether it runs or not", async () => {
    expect((await banger(["daemon", "socket"])).out).toBe("/run/user/1000/banger/bangerd.sock\n");
  });

  test("logs prints the file, and says when there is none", async () => {
    const directory = mkdtempSync(join(tmpdir(), "banger-cli-"));
    try {
      const log = join(directory, "bangerd.log");
      const run = session();
      run.ctx.paths = async () => ({ mode: "user", reason: "because", socket: "/s", daemonLog: log });
      expect(await runCli(["daemon", "logs"], run.ctx)).toBe(1);
      expect(run.err()).toBe(
        `banger: there is no daemon log at ${log}\n  hint: the daemon has not run yet\n`,
      );
      writeFileSync(log, '{"msg":"hello"}\n');
      expect(await runCli(["daemon", "logs"], run.ctx)).toBe(0);
      expect(run.out()).toBe('{"msg":"hello"}\n');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("logs -f goes on with what is appended, until it is interrupted", async () => {
    const directory = mkdtempSync(join(tmpdir(), "banger-cli-"));
    try {
      const log = join(directory, "bangerd.log");
      writeFileSync(log, "one\n");
      const lines: string[] = [];
      const run = session({
        onOut: (text) => {
          lines.push(text);
          if (text === "one\n") writeFileSync(log, "two\n", { flag: "a" });
          else run.interrupt("SIGINT");
        },
      });
      run.ctx.paths = async () => ({ mode: "user", reason: "because", socket: "/s", daemonLog: log });
      expect(await runCli(["daemon", "logs", "-f"], run.ctx)).toBe(130);
      expect(lines).toEqual(["one\n", "two\n"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
