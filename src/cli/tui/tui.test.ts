/** The table, driven by keys, in a terminal of the tests' own. */
import { describe, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import type { VmStats } from "../../rpc/contract.ts";
import { runCli } from "../run-cli.ts";
import { bytePair } from "../testing/byte-pair.ts";
import { FakeDaemon, type FakeHandlers, fakeVm } from "../testing/fake-daemon.ts";
import { fakeGuest } from "../testing/fake-guest.ts";
import { fakeStats } from "../testing/fake-stats.ts";
import { banger, session } from "../testing/harness.ts";

const tty = { stdin: true, stdout: true, stderr: true };
const env = { NO_COLOR: "1", TERM: "xterm" };
const id = (last: string) => VmId.parse(`3f2a91c0-5b7e-4d21-9c3a-00000000000${last}`);

/** What a terminal would show of what was written to it, by the four sequences that the table knows. */
function shown(written: string): string[] {
  let lines: string[] = [];
  let at = 0;
  for (const [, sequence, text] of written.matchAll(/\x1b\[([0-9;]*[HKJ])|([^\x1b]+)/g)) {
    if (sequence === "2J") lines = [];
    else if (sequence === "J") lines = lines.slice(0, at);
    else if (sequence?.endsWith("H") === true) at = Number(sequence.split(";")[0]) - 1;
    else if (text !== undefined) lines[at] = text;
    else if (written.includes(`\x1b[${at + 1};1H\x1b[K`)) lines[at] ??= "";
  }
  return Array.from(lines, (line) => line?.trimEnd() ?? "");
}

function table(vms: VmStats[], change: FakeHandlers = {}) {
  const stdin = new PassThrough();
  const daemon: FakeDaemon = new FakeDaemon({ "vm.stats": () => vms, ...change });
  const run = session({ daemon, stdin, tty, env });
  const status = runCli(["tui"], run.ctx);
  const visible = () => shown(run.out().split("<screen>").at(-1) ?? "");
  const sees = async (what: string | RegExp) => {
    for (const until = Date.now() + 2_000; ; await Bun.sleep(2)) {
      const text = visible().join("\n");
      if (typeof what === "string" ? text.includes(what) : what.test(text)) return;
      if (Date.now() > until) throw new Error(`${what} is not in\n${text}`);
    }
  };
  const press = (keys: string) => void stdin.write(keys);
  return { run, daemon, status, visible, sees, press, stdin };
}

const two = [fakeStats("calm-otter", {}, { id: id("1") }), fakeStats("idle", {}, { id: id("2") })];

describe("the table", () => {
  test("shows VMs, chooses among them, and leaves with the terminal as it was", async () => {
    const { run, status, sees, press, daemon } = table(two);
    await sees(/> {2}calm-otter {2}running/);
    await sees("banger: 2 VMs, 2 running");
    press("\x1b[B");
    await sees(/> {2}idle/);
    press("k");
    await sees(/> {2}calm-otter/);
    press("q");
    expect(await status).toBe(0);
    expect(run.out()).toStartWith("<screen>");
    expect(run.out()).toEndWith("</screen>");
    expect(run.raw).toEqual([true, false]);
    expect(daemon.methods).toEqual(["vm.stats"]);
  });

  test("costs one question for each interval, however much is pressed and drawn", async () => {
    const { run, status, sees, press, daemon } = table(two);
    await sees("calm-otter");
    press("jkjkjk??");
    run.resize(100, 10);
    await sees("calm-otter");
    expect(daemon.methods).toEqual(["vm.stats"]);
    run.advance(2_000);
    await Bun.sleep(5);
    expect(daemon.methods).toEqual(["vm.stats", "vm.stats"]);
    press("\x03");
    expect(await status).toBe(0);
  });

  test("stops and starts what is chosen, and says what came of it", async () => {
    const answer = Promise.withResolvers<void>();
    const { status, sees, press, daemon } = table(two, {
      "vm.stop": async () => {
        await answer.promise;
        return fakeVm("calm-otter", { id: id("1"), state: "stopped", pid: null });
      },
      "vm.start": () => {
        throw new BangerError("guest_failed", "it does not\x1b[2J start");
      },
    });
    await sees("calm-otter");
    press("x");
    await sees(/> {2}calm-otter {2}stopping/);
    answer.resolve();
    await sees(/> {2}calm-otter {2}stopped {2}-/);
    press("S");
    await sees("it does not\\x1b[2J start");
    expect(daemon.methods).toEqual(["vm.stats", "vm.stop", "vm.start"]);
    press("q");
    await status;
  });

  test("does not give up what runs in a suspended VM", async () => {
    const asleep = fakeStats("dozer", { host: null, guest: null }, { state: "suspended", asleep: true });
    const { status, sees, press, daemon } = table([asleep]);
    await sees(/> {2}dozer {2}asleep/);
    press("x");
    await sees("dozer is suspended: what runs in it would be lost");
    expect(daemon.methods).toEqual(["vm.stats"]);
    press("q");
    await status;
  });

  test("deletes only after a yes that comes behind the question", async () => {
    const { status, sees, press, daemon } = table(two, { "vm.delete": () => ({}) });
    await sees("calm-otter");
    press("dy");
    await sees("delete calm-otter with its disks? [y/n]");
    press("n");
    await sees("enter shell");
    press("d");
    await sees("[y/n]");
    press("y");
    await sees(/banger: 1 VM,/);
    await sees(/> {2}idle/);
    expect(daemon.calls.at(-1)).toEqual({ method: "vm.delete", params: { ref: id("1") } });
    press("q");
    await status;
  });

  test("says what would be lost before it deletes, as vm delete does", async () => {
    const workspace = { hostPath: "/home/me/repo", guestPath: "/root/repo", head: "a".repeat(40) };
    const had = fakeStats("had", {}, { state: "stopped", workspace });
    const { status, sees, press, daemon } = table([had], { "vm.delete": () => ({}) });
    await sees("had");
    press("d");
    await sees("had is stopped and cannot be asked: it had a copy of /home/me/repo");
    await sees("delete had with its disks all the same? [y/n]");
    press("n");
    await sees("enter shell");
    expect(daemon.methods).not.toContain("vm.delete");
    press("q");
    await status;
  });

  test("gives the whole terminal to a shell, and comes back behind it", async () => {
    const fake = { daemon: undefined as FakeDaemon | undefined };
    const guest = fakeGuest(
      () => {
        if (fake.daemon === undefined) throw new Error("there is no daemon yet");
        return fake.daemon;
      },
      async ({ stdio, argv }) => {
        stdio.write(`ran ${argv[0]}`);
        for await (const chunk of stdio.iterator({ destroyOnReturn: false }))
          if (String(chunk).includes("q")) break;
        return 3;
      },
    );
    const { run, status, sees, press, daemon } = table(two, guest);
    fake.daemon = daemon;
    await sees("calm-otter");
    press("\r");
    for (const until = Date.now() + 2_000; !run.out().includes("ran /bin/sh"); await Bun.sleep(2))
      if (Date.now() > until) throw new Error("the shell was not run");
    expect(run.out()).toMatch(/<\/screen>.*ran \/bin\/sh$/s);
    press("xq");
    for (const until = Date.now() + 2_000; run.out().split("<screen>").length < 3; await Bun.sleep(2))
      if (Date.now() > until) throw new Error("the table did not come back");
    await sees(/> {2}calm-otter/);
    expect(daemon.methods.filter((method) => method === "vm.stop")).toEqual([]);
    press("q");
    expect(await status).toBe(0);
    expect(run.raw.at(-1)).toBe(false);
  });

  test("shows the end of a console, without obeying it", async () => {
    const [near, far] = bytePair();
    const { status, sees, press, daemon, visible } = table(two, {
      "vm.logs": () => ({ ticket: daemon.ticket(near) }),
    });
    await sees("calm-otter");
    press("l");
    await sees("console of calm-otter");
    far.write("\x1b[32mboot\x1b[0m\r\n\x1b[2Jcleared\x07\nunfinished");
    await sees("\\x1b[2Jcleared\\x07");
    expect(visible().slice(1, 4)).toEqual(["boot", "\\x1b[2Jcleared\\x07", "unfinished"]);
    expect(daemon.calls.at(-1)?.params).toMatchObject({ source: "console", follow: true });
    press("q");
    await sees("banger: 2 VMs");
    press("q");
    expect(await status).toBe(0);
  });

  test("gives the terminal back when it is interrupted, when the daemon goes, and at Ctrl-Z", async () => {
    const term = table(two);
    await term.sees("calm-otter");
    term.run.interrupt("SIGTERM");
    expect(await term.status).toBe(143);
    expect(term.run.out()).toEndWith("</screen>");

    const lost = table([], {
      "vm.stats": () => {
        throw new BangerError("unavailable", "the connection to bangerd was lost");
      },
    });
    expect(await lost.status).toBe(1);
    expect(lost.run.out()).toEndWith("</screen>");
    expect(lost.run.err()).toContain("the connection to bangerd was lost");

    const job = table(two);
    await job.sees("calm-otter");
    job.press("\x1a");
    for (const until = Date.now() + 2_000; !job.run.out().includes("</screen><screen>"); await Bun.sleep(2))
      if (Date.now() > until) throw new Error("it was not stopped");
    await job.sees("calm-otter");
    job.press("q");
    expect(await job.status).toBe(0);
  });

  test("needs a terminal, and says what there is without one", async () => {
    const { status, err } = await banger(["tui"], { daemon: new FakeDaemon({}) });
    expect(status).toBe(1);
    expect(err).toContain("the table needs a terminal, and there is none");
    expect(err).toContain("banger vm stats --watch");
  });
});
