/** Commands that one watches VMs with: stats, list, show, and events. */
import { describe, expect, test } from "bun:test";
import type { Happening, VmStats } from "../../rpc/contract.ts";
import { runCli } from "../run-cli.ts";
import { FakeDaemon, type FakeHandlers, fakeVm } from "../testing/fake-daemon.ts";
import { fakeStats } from "../testing/fake-stats.ts";
import { banger, type Options, session } from "../testing/harness.ts";

/** A command that waits: its clock goes on until it has ended. */
async function ticking(words: string[], options: Options, until: (out: string) => boolean = () => false) {
  const run = session(options);
  const status = runCli(words, run.ctx);
  let over = false;
  void status.finally(() => {
    over = true;
  });
  while (!over) {
    await Bun.sleep(1);
    run.advance(250);
    if (until(run.out())) run.interrupt("SIGINT");
  }
  return { status: await status, out: run.out(), err: run.err() };
}

/** Each look is 1 s after the one before, of which the machine took 250 ms. */
function counting(...vms: VmStats[]): FakeDaemon {
  let looks = 0;
  return new FakeDaemon({
    "vm.stats": () => {
      looks += 1;
      return vms.map((each) => ({
        ...each,
        atMs: looks * 1_000,
        host: each.host && { ...each.host, cpuMs: looks * 250 },
      }));
    },
  });
}

describe("vm stats", () => {
  const stopped = fakeStats("idle", { host: null, guest: null, uptimeMs: null }, { state: "stopped" });

  test("is a table of the VMs that run, with rates of two looks", async () => {
    const daemon = counting(fakeStats("calm-otter"), stopped);
    const { status, out } = await ticking(["vm", "stats"], { daemon });
    expect(status).toBe(0);
    expect(out).toBe(
      [
        "NAME        STATE    CPU  MEM   GUEST MEM    LOAD  DISK      NET IN/OUT  UPTIME",
        "calm-otter  running  25%  200M  200M / 900M  0.50  4M / 16G  -           2h30m",
        "",
      ].join("\n"),
    );
    expect(daemon.calls.map(({ params }) => params)).toEqual([
      { refs: [], guest: false },
      { refs: [], guest: true },
    ]);
  });

  test("shows those that are named, however they are, and is JSON with --json", async () => {
    const daemon = counting(stopped);
    const { out } = await ticking(["vm", "stats", "idle", "--json"], { daemon });
    expect(JSON.parse(out)).toMatchObject([{ vm: { name: "idle" }, cpuPercent: null, host: null }]);
    expect(daemon.calls[0]?.params).toEqual({ refs: ["idle"], guest: false });
    expect((await ticking(["vm", "stats"], { daemon })).out).toBe("no VM runs\n");
  });

  test("--watch --json is a line each time, and Ctrl-C its proper end", async () => {
    const daemon = counting(fakeStats("calm-otter"));
    const twice = (out: string) => out.split("\n").length > 2;
    const { status, out } = await ticking(["vm", "stats", "--watch", "--json"], { daemon }, twice);
    expect(status).toBe(0);
    const lines = out.trim().split("\n");
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject([{ cpuPercent: 25 }]);
  });

  test("--watch writes over itself on a terminal, and loses the end of what has no room", async () => {
    const vms = Array.from({ length: 40 }, (_, index) => fakeStats(`otter-${index}`));
    const daemon = counting(...vms);
    const twice = (out: string) => out.split("NAME").length > 2;
    const { out } = await ticking(["vm", "stats", "-w"], { daemon, tty: { stdout: true } }, twice);
    expect(out).toContain("\x1b[23A\r\x1b[KNAME");
    expect(out).toContain("\x1b[K... 19 more\n\x1b[J");
  });

  test("a VM that is not there is an error", async () => {
    const daemon = new FakeDaemon({});
    expect((await ticking(["vm", "stats", "x"], { daemon })).status).toBe(1);
  });
});

test("vm list --watch ends with its reader", async () => {
  const daemon = new FakeDaemon({ "vm.list": () => [fakeVm("calm-otter")] });
  const run = session({ daemon });
  const status = runCli(["vm", "list", "--watch", "-q"], run.ctx);
  while (run.out() === "") await Bun.sleep(1);
  run.ctx.stdout.emit("error", Object.assign(new Error("gone"), { code: "EPIPE" }));
  expect([await status, run.out()]).toEqual([0, `${fakeVm("x").id}\n`]);
});

describe("vm show", () => {
  test("is rows for people, harmless ones, and the record with --json", async () => {
    const vm = fakeVm("calm-otter", {
      ...{ state: "stopped", lastError: "nobody had used it for 2h\x1b[2J", startedAt: null },
      ...{ pid: null, ip: null, usedAt: "2026-03-04T09:59:00.000Z" },
      cost: { memory: null, disk: { ownBytes: 5 << 20, sharedBytes: 1 << 20 } },
    });
    const daemon = new FakeDaemon({ "vm.show": () => vm });
    const { out } = await banger(["vm", "show", "3f2a"], { daemon });
    expect(out).toBe(
      [
        "name:         calm-otter",
        "id:           3f2a91c0-5b7e-4d21-9c3a-0123456789ab",
        "state:        stopped",
        "because:      nobody had used it for 2h\\x1b[2J",
        "image:        debian-bookworm",
        "kernel:       debian-cloud-6.1",
        "size:         2 vcpu, 1024 MiB, 8G at /root, 8G at /",
        "network:      none outside",
        "runs on:      qemu",
        "used:         2 hours ago",
        "host disk:    5M, and 1M shared",
        "console log:  /state/console.log",
        "created:      3 minutes ago",
        "",
      ].join("\n"),
    );
    expect(JSON.parse((await banger(["vm", "show", "3f2a", "--json"], { daemon })).out)).toEqual(vm);
  });
});

describe("events", () => {
  const stopped: Happening = {
    ...{ time: "2026-03-04T12:00:01.000Z", kind: "vm.stopped", subject: { id: "i", name: "otter\x1b[2J" } },
    details: { reason: "asked" },
  };
  const daemon = (change: FakeHandlers = {}) =>
    new FakeDaemon({
      "events.follow": (_params, { emit }) => {
        emit(stopped);
        return {};
      },
      ...change,
    });

  test("are harmless lines, or JSON lines", async () => {
    const { out } = await banger(["events", "--no-follow"], { daemon: daemon() });
    expect(out).toMatch(/^2026-03-04 ..:..:01 {2}vm\.stopped {8}otter\\x1b\[2J {2,}reason: asked\n$/);
    const fake = daemon();
    const json = await banger(["events", "--since", "2h30m", "--json"], { daemon: fake });
    expect(JSON.parse(json.out)).toEqual(stopped);
    expect(json.out.trim()).not.toContain("\n");
    expect(fake.calls[0]?.params).toEqual({ follow: true, sinceMs: 9_000_000 });
  });

  test("that there are none is said on a terminal, and nowhere else", async () => {
    const none = () => daemon({ "events.follow": () => ({}) });
    const tty = { stdout: true, stderr: true };
    const said = await banger(["events", "--no-follow"], { daemon: none(), tty, env: { NO_COLOR: "1" } });
    expect([said.out, said.err]).toEqual(["", "no events yet\n"]);
    const piped = await banger(["events", "--no-follow"], { daemon: none() });
    expect([piped.out, piped.err]).toEqual(["", ""]);
  });

  test("end with Ctrl-C, and with status 0", async () => {
    const forever = daemon({ "events.follow": () => new Promise(() => {}) });
    const run = session({ daemon: forever });
    const status = runCli(["events"], run.ctx);
    while (forever.calls.length === 0) await Bun.sleep(1);
    run.interrupt("SIGINT");
    expect(await status).toBe(0);
  });

  test("a time that is none is refused", async () => {
    const { status, err } = await banger(["events", "--since", "soon"], { daemon: daemon() });
    expect(status).not.toBe(0);
    expect(err).toContain("is not a duration");
  });
});
