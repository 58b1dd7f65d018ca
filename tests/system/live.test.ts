/**
 * Forks, snapshots and suspended VMs under a jailed Firecracker: processes and files go on, each fork is somebody else, the
 * original runs on; also when the daemon is killed or the host boots anew; and nothing of any of it is left.
 */
import { beforeAll, expect, test } from "bun:test";
import { host, quote } from "./host.ts";
import { allOf, settledVms } from "./traces.ts";
import { slow, tiny, warmBed } from "./warm-bed.ts";

const machine = await host();
const { shown } = warmBed(machine);
const root = { user: "root" } as const;
const checkpoints = "/var/lib/banger/checkpoints";
let nothing = "";

const inGuest = (name: string, script: string) =>
  machine.ok(`banger vm exec ${name} -- /bin/sh -c ${quote(script)}`, slow);
const kept = () => machine.ok(`ls -A ${checkpoints} 2>/dev/null; true`, root);
/** Counts, in the background, for as long as its machine runs. */
const counter =
  "(while :; do echo . >> /root/count; sleep 1; done) </dev/null >/dev/null 2>&1 & echo $! > /root/pid";
const count = async (name: string) =>
  Number(await inGuest(name, "kill -0 $(cat /root/pid) && wc -l < /root/count"));
const goesOn = async (name: string, from = 0) => {
  for (const before = Math.max(from, await count(name)); ; ) {
    if ((await count(name)) > before) return;
    await Bun.sleep(500);
  }
};
/** What must not be the same in two VMs, one a line. */
const identity = (name: string) =>
  inGuest(
    name,
    `hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1
cat /sys/class/net/eth0/address; ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; ip -6 -o addr show eth0 | grep -o 'fe80[0-9a-f:]*'`,
  );
const answers = async (name: string) => {
  const { ip } = await shown(name);
  await machine.ok(`ping -c 1 -W 20 ${ip}`, slow);
};
const haltOf = (said: string) => Number(/stood still for ([0-9.]+) s/.exec(said)?.[1]);

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  nothing = await allOf(machine);
  await machine.ok(`banger vm create --name a ${tiny}`, slow);
  await inGuest("a", `echo one > /kept; echo two > /root/kept; ${counter}`);
}, 600_000);

test("two forks go on with processes and files, as other machines, and the original runs on", async () => {
  const { pid } = await shown("a");
  const { status, stdout, stderr } = await machine.run("banger vm fork a --name b -n 2", slow);
  expect([status, stdout]).toEqual([0, "b-1\nb-2\n"]);
  expect(haltOf(stderr)).toBeGreaterThan(0);
  // Nobody was connected to it.
  expect(stderr).not.toContain("connections");
  const names = ["a", "b-1", "b-2"];
  for (const name of names) {
    expect(await inGuest(name, "cat /kept /root/kept")).toBe("one\ntwo\n");
    await goesOn(name);
    await answers(name);
  }
  expect((await shown("a")).pid).toBe(pid);
  expect((await shown("b-1")).start).toEqual({ how: "resumed", from: "fork of a" });
  const lines = (await Promise.all(names.map(identity))).map((text) => text.trim().split("\n"));
  expect(lines.map(({ length }) => length)).toEqual([7, 7, 7]);
  expect(new Set(lines.flat()).size).toBe(21);
  expect(lines.map(([hostname]) => hostname)).toEqual(names);
  // The memory is mapped; nothing else of it is needed, and in the original's jail there is none of it.
  expect(await kept()).toBe("");
  expect(
    await machine.ok("ls /var/lib/banger-jail/firecracker/*/root/run/memory 2>&1 || true", root),
  ).toContain("No such file");
}, 900_000);

test("each writes to its own disks, and a fork can be forked", async () => {
  for (const name of ["a", "b-1"])
    await inGuest(name, `echo ${name} > /kept; echo ${name} > /root/kept; sync`);
  await machine.ok("banger vm fork b-1 --name c", slow);
  for (const [name, text] of [
    ["a", "a\na\n"],
    ["b-1", "b-1\nb-1\n"],
    ["b-2", "one\ntwo\n"],
    ["c", "b-1\nb-1\n"],
  ] as const)
    expect({ name, text: await inGuest(name, "cat /kept /root/kept") }).toEqual({ name, text });
  await goesOn("c");
  // Its disks are whole: it boots from them.
  await machine.ok("banger vm restart c", slow);
  expect(await inGuest("c", "cat /kept /root/kept")).toBe("b-1\nb-1\n");
  await machine.ok("banger vm delete b-1 b-2 c", slow);
}, 900_000);

test("a command that runs in the VM ends when that is kept, and both who wait hear why", async () => {
  const command = machine.run("banger vm exec a -- /bin/sh -c 'echo > /root/begun; exec sleep 600'", slow);
  while ((await inGuest("a", "ls /root")).match(/begun/) === null) await Bun.sleep(500);
  const { status, stdout, stderr } = await machine.run("banger vm snapshot create a before", slow);
  expect([status, stdout]).toEqual([0, "before\n"]);
  expect(stderr).toContain("ends what is connected to its guest: 1 command or connection");
  const ended = await command;
  expect([ended.status, ended.stderr]).toEqual([1, expect.stringContaining("VM a was saved")]);
  await goesOn("a");
}, 600_000);

test("a VM becomes again what it was when it was kept, as often as one likes", async () => {
  for (const text of ["later", "again"]) {
    await inGuest("a", `echo ${text} > /kept; echo ${text} > /root/kept; echo ${text} > /root/new; sync`);
    await machine.ok("banger vm snapshot restore a before", slow);
    expect(await inGuest("a", "cat /kept /root/kept; ls /root/new 2>/dev/null; hostname")).toBe("a\na\na\n");
    await goesOn("a");
    await answers("a");
  }
  expect((await shown("a")).start).toEqual({ how: "resumed", from: "snapshot before" });
  const [inside = 0, outside = 0] = (await machine.ok("banger vm exec a -- /bin/date +%s; date +%s", slow))
    .trim()
    .split("\n")
    .map(Number);
  expect(Math.abs(outside - inside)).toBeLessThan(15);
}, 900_000);

test("a suspended VM has nothing in the kernel, and goes on; also after the host was started anew", async () => {
  await inGuest("a", "echo kept > /kept; echo kept > /root/kept");
  for (const anew of [false, true]) {
    const before = await count("a");
    await machine.ok("banger vm suspend a", slow);
    expect((await shown("a")).state).toBe("suspended");
    expect(await allOf(machine)).toBe(`${nothing}${(await shown("a")).id}\n`);
    if (anew) await machine.reboot();
    if (anew) await settledVms(machine);
    await machine.ok("banger vm start a", slow);
    expect((await shown("a")).start).toEqual({ how: "resumed", from: "suspend" });
    expect(await inGuest("a", "cat /kept /root/kept")).toBe("kept\nkept\n");
    await goesOn("a", before);
    await answers("a");
  }
}, 1_200_000);

test("a daemon that is killed while a VM is being saved leaves it running, and nothing of what was begun", async () => {
  await machine.ok("banger vm snapshot delete a before", slow);
  const inJail = "/var/lib/banger-jail/firecracker/*/root/run/memory";
  const fork = machine.run("banger vm fork a --name never", slow);
  await machine.ok(
    `until ls ${inJail} >/dev/null 2>&1; do sleep 0.05; done; systemctl kill --signal=KILL bangerd`,
    {
      ...root,
      ...slow,
    },
  );
  expect((await fork).status).not.toBe(0);
  const vms = await settledVms(machine);
  expect(vms.map(({ name, state }) => `${name} ${state}`)).toEqual(["a running"]);
  await goesOn("a");
  expect(await machine.ok(`ls ${inJail} 2>/dev/null; ls -A ${checkpoints}; true`, root)).toBe("");
}, 600_000);

test("a VM that would leave too little of the disk is not saved, and runs on", async () => {
  const full = "/var/lib/banger/full";
  await machine.ok(
    `fallocate -l $(($(df --output=avail -B1 /var/lib/banger | tail -1) - 700000000)) ${full}`,
    root,
  );
  for (const command of ["fork a", "snapshot create a", "suspend a"]) {
    const { status, stderr } = await machine.run(`banger vm ${command}`, slow);
    expect([command, status, stderr]).toEqual([command, 1, expect.stringContaining("too little disk space")]);
  }
  await machine.ok(`rm ${full}`, root);
  expect(JSON.parse(await machine.ok("banger vm list --json")).length).toBe(1);
  await goesOn("a");
}, 600_000);

test("a VM that nobody uses sleeps, and is woken by who comes; when it is deleted nothing is left", async () => {
  await inGuest("a", "kill $(cat /root/pid)");
  await machine.ok(
    `sed -i '1i auto_suspend_after = "10s"' ~/.config/banger/config.toml; banger daemon stop`,
    slow,
  );
  await settledVms(machine);
  while ((await shown("a")).state !== "suspended") await Bun.sleep(2000);
  expect(await inGuest("a", "cat /kept")).toBe("kept\n");
  expect((await shown("a")).start).toEqual({ how: "resumed", from: "idle" });
  await machine.ok("banger vm delete a", slow);
  expect(await allOf(machine)).toBe(nothing);
  expect(await kept()).toBe("");
}, 900_000);
