import { describe, expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import type { Vm } from "../../rpc/contract.ts";
import { runCli } from "../run-cli.ts";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger, session } from "../testing/harness.ts";

const id = (digit: string) => VmId.parse(`${digit.repeat(8)}-5b7e-4d21-9c3a-0123456789ab`);
const otter = fakeVm("calm-otter", { id: id("1") });
const heron = fakeVm("shy-heron", {
  id: id("2"),
  state: "stopped",
  workspace: { guestPath: "/root/repo", hostPath: "/work/a", head: "f".repeat(40) },
});

function resolving(
  ...entries: (Vm | { ref: string; error: { code: string; message: string; hint?: string } })[]
) {
  return () => entries.map((entry) => ("error" in entry ? entry : { ref: entry.name, vm: entry }));
}

describe("several VMs at once", () => {
  test("are resolved by one call and then run concurrently, reported in the order given", async () => {
    const first = Promise.withResolvers<void>();
    const daemon = new FakeDaemon({
      "vm.resolve": resolving(otter, heron),
      "vm.stop": async ({ ref }) => {
        // The first can only end after the second has been asked.
        if (ref === otter.id) await first.promise;
        else first.resolve();
        return otter;
      },
    });
    const { status, out } = await banger(["vm", "stop", "calm-otter", "shy-heron"], { daemon });
    expect([status, out]).toEqual([0, "calm-otter\nshy-heron\n"]);
    expect(daemon.calls.map(({ params }) => params)).toEqual([
      { refs: ["calm-otter", "shy-heron"] },
      { ref: otter.id },
      { ref: heron.id },
    ]);
  });

  test("those that cannot be resolved or fail do not stop the others, and the status is 1", async () => {
    const daemon = new FakeDaemon({
      "vm.resolve": resolving(
        {
          ref: "oter",
          error: { code: "not_found", message: 'there is no VM "oter"', hint: "did you mean calm-otter?" },
        },
        otter,
        heron,
      ),
      "vm.start": ({ ref }) => {
        if (ref === otter.id) throw new BangerError("precondition", "VM calm-otter is running");
        return heron;
      },
    });
    const { status, out, err } = await banger(["vm", "start", "oter", "1", "2"], { daemon });
    expect([status, out]).toEqual([1, "shy-heron\n"]);
    expect(err).toBe(
      'banger: there is no VM "oter"\n  hint: did you mean calm-otter?\nbanger: VM calm-otter is running\n',
    );
  });

  test("Ctrl-C cancels all of them, once", async () => {
    const under = Promise.withResolvers<void>();
    const daemon = new FakeDaemon({
      "vm.resolve": resolving(otter, heron),
      "vm.delete": ({ ref }) => {
        if (ref === heron.id) under.resolve();
        return new Promise(() => {});
      },
    });
    const run = session({ daemon });
    const status = runCli(["vm", "delete", "a", "b"], run.ctx);
    await under.promise;
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(run.err()).toBe(
      "interrupted: a VM may be half deleted; the same command goes on: see banger vm list\n",
    );
  });

  test("kill sends the signal asked for, KILL otherwise", async () => {
    const signals: number[] = [];
    const daemon = new FakeDaemon({
      "vm.resolve": resolving(otter),
      "vm.kill": ({ signal }) => {
        signals.push(signal);
        return otter;
      },
    });
    await banger(["vm", "kill", "x"], { daemon });
    await banger(["vm", "kill", "x", "--signal", "sigterm"], { daemon });
    await banger(["vm", "kill", "x", "-s", "USR1"], { daemon });
    expect(signals).toEqual([9, 15, 10]);
  });
});

describe("vm list", () => {
  const daemon = () => new FakeDaemon({ "vm.list": () => [otter, heron] });

  test("is a table", async () => {
    expect((await banger(["vm", "list"], { daemon: daemon() })).out).toMatchInlineSnapshot(`
      "ID        NAME        STATE    IMAGE            IP         VCPU  MEM       DISK  WORKSPACE  CREATED
      11111111  calm-otter  running  debian-bookworm  10.0.2.15  2     1024 MiB  8G    -          3 minutes ago
      22222222  shy-heron   stopped  debian-bookworm  10.0.2.15  2     1024 MiB  8G    /work/a    3 minutes ago
      "
    `);
  });

  test("fits a terminal: what matters least goes first", async () => {
    const list = session({ daemon: daemon(), tty: { stdout: true } });
    for (const [columns, last] of [
      [120, "WORKSPACE  CREATED"],
      [90, "DISK  CREATED"],
      [80, "MEM       CREATED"],
      [20, "STATE"],
    ] as const) {
      list.resize(columns, 24);
      expect(await runCli(["vm", "list"], list.ctx)).toBe(0);
      const lines = list.out().trimEnd().split("\n").slice(-3);
      expect(lines[0]).toEndWith(last);
      if (columns >= 80) for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    }
  });

  test("tells one that sleeps from one that a person has suspended", async () => {
    const vms = [
      { ...otter, state: "suspended" as const, asleep: true },
      { ...heron, state: "suspended" as const },
    ];
    const { out } = await banger(["vm", "list"], { daemon: new FakeDaemon({ "vm.list": () => vms }) });
    expect(out).toMatch(/calm-otter +asleep.*\n.*shy-heron +suspended/);
  });

  test("-q prints ids, --json everything", async () => {
    expect((await banger(["vm", "list", "-q"], { daemon: daemon() })).out).toBe(`${otter.id}\n${heron.id}\n`);
    expect(JSON.parse((await banger(["vm", "list", "--json"], { daemon: daemon() })).out)).toEqual([
      otter,
      heron,
    ]);
  });

  test("what comes from outside cannot command the terminal", async () => {
    const evil = fakeVm("x", {
      workspace: { guestPath: "/r", hostPath: "/w/\x1b]0;t\x07\u202ecod\n", head: "h" },
    });
    const list = () => new FakeDaemon({ "vm.list": () => [evil] });
    expect((await banger(["vm", "list"], { daemon: list() })).out).toContain(
      "/w/\\x1b]0;t\\x07\\u202ecod\\n  ",
    );
    const { out } = await banger(["vm", "list", "--json"], { daemon: list() });
    expect(out).toContain("/w/\\u001b]0;t\\u0007\\u202ecod\\n");
    expect(JSON.parse(out)).toEqual([evil]);
  });
});

describe("vm prune", () => {
  const daemon = () =>
    new FakeDaemon({
      "vm.list": () => [otter, heron],
      "vm.resolve": resolving(heron),
      "vm.delete": () => ({}),
    });

  test("deletes only what does not run", async () => {
    const fake = daemon();
    const { status, out } = await banger(["vm", "prune", "--yes"], { daemon: fake });
    expect([status, out]).toEqual([0, "shy-heron\n"]);
    expect(fake.calls.at(-1)).toEqual({ method: "vm.delete", params: { ref: heron.id, idle: true } });
  });

  test("shows what would go and asks first", async () => {
    for (const [answer, deleted] of [
      ["y\n", true],
      ["yes\n", true],
      ["n\n", false],
      ["", false],
    ] as const) {
      const fake = daemon();
      const { status, err } = await banger(["vm", "prune"], {
        daemon: fake,
        stdin: answer,
        tty: { stdin: true },
      });
      expect(status).toBe(0);
      expect(err).toContain("22222222  shy-heron");
      expect(err).toContain("delete this VM and its disks? [y/N] ");
      expect(fake.methods.includes("vm.delete")).toBe(deleted);
    }
  });

  test("without a terminal refuses to guess", async () => {
    const fake = daemon();
    const { status, err } = await banger(["vm", "prune"], { daemon: fake });
    expect(status).toBe(1);
    expect(err).toEndWith(
      "banger: cannot ask: stdin is not a terminal\n  hint: delete them without a question: banger vm prune --yes\n",
    );
    expect(fake.methods).toEqual(["vm.list"]);
  });

  test("with nothing to prune says so", async () => {
    const fake = new FakeDaemon({ "vm.list": () => [otter] });
    expect((await banger(["vm", "prune"], { daemon: fake })).err).toBe(
      "nothing to prune: no VM is stopped\n",
    );
  });
});

test("vm ping says how fast each answers, and is a record for programs", async () => {
  const daemon = () =>
    new FakeDaemon({
      "vm.resolve": ({ refs }) => refs.map((ref) => ({ ref, vm: fakeVm(ref) })),
      "vm.ping": () => ({ by: "agent", ms: 1.234 }),
    });
  const { out } = await banger(["vm", "ping", "one", "two"], { daemon: daemon() });
  expect(out).toBe("one: its agent answers in 1.2 ms\ntwo: its agent answers in 1.2 ms\n");
  const json = await banger(["vm", "health", "one", "--json"], { daemon: daemon() });
  expect(JSON.parse(json.out)).toMatchObject([{ name: "one", by: "agent", ms: 1.234 }]);
});
