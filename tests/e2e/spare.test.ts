/** The guest that waits, restored and halted, to be the next VM: with real ones. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Banger, eventually, processesNaming } from "./fixture.ts";
import { clockOf } from "./guest-clock.ts";

const size = ["--memory", "256M", "--vcpu", "1"];
const slow = 600_000;
let banger: Banger;

/** The process ids of QEMUs that wait. (Those that a VM has taken keep the name.) */
async function waiting(): Promise<number[]> {
  const taken = new Set((await banger.vms()).map((vm) => vm.pid));
  return machines().filter((pid) => !taken.has(pid));
}

const machines = () =>
  processesNaming(banger.dir)
    .filter((line) => line.includes("guest=spare"))
    .map((line) => Number(line.split(" ")[0]));

/** Halted, and so without anything to do: the one that waits. */
async function oneWaits(): Promise<number> {
  await eventually("a guest waits", 300_000, async () => {
    const listed = JSON.parse(await banger.ok(["template", "list", "--json"])) as { waiting: boolean }[];
    return listed.some((template) => template.waiting);
  });
  const pids = await waiting();
  expect(pids.length).toBe(1);
  return pids[0] ?? 0;
}

const show = async (name: string) => JSON.parse(await banger.ok(["vm", "show", "--json", name]));
/** User and system time, in clock ticks (proc(5), stat). */
const ticks = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
};

beforeAll(async () => {
  banger = new Banger({ warm: true, spare: true });
  await banger.image();
  await banger.ok(["template", "prune"]);
  await banger.ok(["vm", "create", "--name", "first", ...size]);
}, 900_000);
afterAll(async () => {
  await banger.ok(["template", "prune"]);
  await banger.close();
}, 120_000);

test(
  "waits at rest, is on no list of VMs, and is the next VM of its size",
  async () => {
    const pid = await oneWaits();
    expect((await banger.vms()).map(({ name }) => name)).toEqual(["first"]);
    const before = ticks(pid);
    await Bun.sleep(2_000);
    expect(ticks(pid) - before).toBeLessThan(10);
    await banger.ok(["vm", "create", "--name", "second", ...size]);
    expect(await show("second")).toMatchObject({ pid, start: { how: "warm" } });
  },
  slow,
);

test(
  "is told who it is: name, ids, keys and time are this VM's, and its services run",
  async () => {
    await oneWaits();
    await banger.ok(["vm", "create", "--name", "third", ...size]);
    const told =
      "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1";
    const [second = [], third = []] = await Promise.all(
      ["second", "third"].map(async (name) =>
        (await banger.ok(["vm", "exec", name, "--", "sh", "-c", told])).trim().split("\n"),
      ),
    );
    expect([second[0], third[0]]).toEqual(["second", "third"]);
    expect(second.filter((line) => third.includes(line))).toEqual([]);
    const { offMs, withinMs } = await clockOf(banger, "third");
    expect(Math.abs(offMs)).toBeLessThan(50 + withinMs);
    expect(await banger.ok(["vm", "exec", "third", "--", "systemctl", "is-system-running"])).toBe(
      "running\n",
    );
    expect(await banger.run(["vm", "ssh", "third", "--", "hostname"])).toMatchObject({ stdout: "third\n" });
  },
  slow,
);

test(
  "that is killed costs the next VM nothing but time",
  async () => {
    process.kill(await oneWaits(), "SIGKILL");
    expect(await banger.ok(["vm", "run", "--rm", ...size, "--", "hostname"])).not.toBe("");
    await banger.ok(["vm", "delete", "second", "third"]);
  },
  slow,
);

test(
  "ends with the daemon that made it, however that ends",
  async () => {
    await oneWaits();
    process.kill(await banger.daemonPid(), "SIGKILL");
    expect(machines().length).toBe(1);
    expect((await banger.vms()).map(({ name, state }) => `${name} ${state}`)).toEqual(["first running"]);
    expect(machines()).toEqual([]);
    await banger.ok(["vm", "run", "--rm", ...size, "--", "true"]);
    await oneWaits();
    await banger.ok(["daemon", "stop"]);
    expect(machines()).toEqual([]);
    await banger.ok(["vm", "delete", "first"]);
    expect(banger.leftovers().filter((left) => !left.includes("internal daemon"))).toEqual([]);
  },
  slow,
);
