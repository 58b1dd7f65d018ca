/** Pausing, forking, saving and restoring real guests. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Banger, checkpoints, eventually, processesNaming } from "./fixture.ts";

setDefaultTimeout(300_000);
const banger = new Banger();
const small = ["--memory", "512M", "--vcpu", "1", "--disk-size", "256M"];

/** What a shell in the guest says to a script. */
const sh = (name: string, script: string) => banger.ok(["vm", "exec", name, "--", "sh", "-c", script]);
const count = async (name: string) => Number(await sh(name, "cat /dev/shm/count"));
const left = () => (existsSync(checkpoints) ? readdirSync(checkpoints) : []);

/** Counts in memory, in the background. */
const counter = `setsid sh -c 'i=0; while :; do i=$((i+1)); echo $i >/dev/shm/new; mv /dev/shm/new /dev/shm/count; sleep 0.2; done' >/dev/null 2>&1 </dev/null &
sleep 1`;

beforeAll(async () => {
  await banger.image();
  await banger.ok(["vm", "create", "--name", "source", ...small]);
  await sh("source", `${counter}; echo written >/root/file; sync; echo cached >>/root/file`);
}, 900_000);
afterAll(() => banger.close(), 120_000);

test("a paused VM stands still with what runs in it, and goes on with the right time", async () => {
  const ticks = banger.start([
    "vm",
    "exec",
    "source",
    "--",
    "sh",
    "-c",
    "for i in 1 2 3 4; do echo $i; sleep 1; done",
  ]);
  let said = "";
  ticks.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const ended = new Promise((resolve) => ticks.on("close", resolve));
  await eventually("the command runs", 30_000, () => said.length > 0);
  await banger.ok(["vm", "pause", "source"]);
  const before = said;
  for (const args of [
    ["exec", "source", "--", "true"],
    ["ssh", "source"],
  ]) {
    const { status, stderr } = await banger.run(["vm", ...args]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("banger vm resume source")]);
  }
  await banger.ok(["daemon", "stop"]).catch(() => {});
  expect((await banger.vms())[0]?.state).toBe("paused");
  await Bun.sleep(3_000);
  expect(said).toBe(before);
  await banger.ok(["vm", "resume", "source"]);
  await ended;
  const now = Date.now();
  const clock = Number(await sh("source", "date +%s%3N"));
  expect(clock).toBeGreaterThan(now - 500);
  expect(clock).toBeLessThan(Date.now() + 500);
});

/** What must not be the same in two guests, one a line; and their random streams. */
const secrets = `cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub
hostname; for i in $(seq 50); do cat /proc/sys/kernel/random/uuid; done; head -c 32 /dev/urandom | od -An -tx1`;

describe("forks of a running VM", () => {
  const names = ["source", "fork-1", "fork-2"];

  test("run on from where it is, with its processes and files, and says for how long it stood still", async () => {
    const { status, stdout, stderr } = await banger.run([
      "vm",
      "fork",
      "source",
      "--name",
      "fork",
      "-n",
      "2",
    ]);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: "fork-1\nfork-2\n" });
    const halted = Number(/source stood still for ([0-9.]+) s/.exec(stderr)?.[1]);
    // Emulated, it is halted for all of its memory: QEMU loses track of what is written meanwhile (docs/forks.md).
    const { acceleration } = JSON.parse(await banger.ok(["daemon", "status", "--json"]));
    expect(halted).toBeLessThan(acceleration === "kvm" ? 0.5 : 30);
    for (const name of names) {
      expect(await sh(name, "cat /root/file")).toBe("written\ncached\n");
      const first = await count(name);
      await eventually(`the counter of ${name} goes on`, 10_000, async () => (await count(name)) > first);
    }
  });

  test("are machines of their own", async () => {
    const said = await Promise.all(names.map(async (name) => (await sh(name, secrets)).trim().split("\n")));
    const lines = said.flat();
    expect(new Set(lines).size).toBe(lines.length);
    for (const name of names) {
      expect(await sh(name, "hostname; systemctl is-system-running")).toBe(`${name}\nrunning\n`);
      const before = Date.now();
      const clock = Number(await sh(name, "date +%s%3N"));
      expect(clock).toBeGreaterThan(before - 500);
      expect(clock).toBeLessThan(Date.now() + 500);
    }
    expect((await banger.run(["vm", "ssh", "fork-1", "--", "hostname"])).stdout).toBe("fork-1\n");
    await sh("fork-2", "logger spoken; sleep 2");
    expect(await sh("fork-2", "journalctl -b --no-pager | grep spoken")).toContain("fork-2 root");
  });

  test("cost what they write: memory and disks are shared otherwise", async () => {
    const { cost, pid } = JSON.parse(await banger.ok(["vm", "show", "--json", "fork-1"]));
    expect(cost.memory.sharedBytes).toBeGreaterThan(16 << 20);
    // QEMU's own is in that, and in emulation most of it is translated code: the guest's memory is one mapping of a file.
    const maps = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-)/m);
    const guest = maps.find((each) => /\/checkpoints\/.*\/memory/.test(each)) ?? "";
    const own = Number(/^Anonymous: +([0-9]+) kB$/m.exec(guest)?.[1]) * 1024;
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThan(128 << 20);
    expect(cost.memory.ownBytes).toBeGreaterThan(own);
    // What the original had written is shared; what runs in the fork goes on writing, for as long as this takes.
    expect(cost.disk.sharedBytes).toBeGreaterThan(1 << 20);
    expect(cost.disk.ownBytes).toBeLessThan(16 << 20);
  });

  test("see nothing of what the others write, and can be forked in turn", async () => {
    await Promise.all(names.map((name) => sh(name, `echo ${name} >/root/own; sync`)));
    await banger.ok(["vm", "fork", "fork-1", "--name", "grandchild"]);
    await sh("fork-1", "echo later >/root/own; sync");
    const expected = { source: "source", "fork-1": "later", "fork-2": "fork-2", grandchild: "fork-1" };
    for (const [name, own] of Object.entries(expected))
      expect(await sh(name, "cat /root/own")).toBe(`${own}\n`);
  });

  test("outlive the original, boot from their disks, and leave nothing", async () => {
    await banger.ok(["vm", "delete", "source", "fork-1"]);
    await banger.ok(["vm", "restart", "grandchild", "fork-2"]);
    expect(await sh("grandchild", "cat /root/own; cat /root/file")).toBe("fork-1\nwritten\ncached\n");
    expect(await sh("fork-2", "cat /root/own; dmesg | grep -i 'EXT4-fs error' || true")).toBe("fork-2\n");
    await banger.ok(["vm", "delete", "grandchild", "fork-2"]);
    expect(left()).toEqual([]);
    expect(processesNaming(banger.dir).filter((line) => line.includes("qemu"))).toEqual([]);
  });
});

describe("a VM that is saved", () => {
  beforeAll(async () => {
    await banger.ok(["vm", "create", "--name", "saved", ...small]);
    await sh("saved", `${counter}; echo then >/root/file`);
  });

  test("goes back to a snapshot, memory and disks, as often as one likes, and leaves nothing of it", async () => {
    expect(await banger.ok(["vm", "snapshot", "create", "saved", "before"])).toBe("before\n");
    const then = await count("saved");
    for (const now of ["once", "twice"]) {
      await sh("saved", `echo ${now} >/root/file; rm -rf /usr/share/doc; sync; sleep 3`);
      expect(await banger.ok(["vm", "snapshot", "restore", "saved", "before"])).toBe("saved\n");
      expect(await sh("saved", "cat /root/file; test -d /usr/share/doc && echo there")).toBe("then\nthere\n");
      const again = await count("saved");
      expect(again).toBeLessThan(then + 30);
      await eventually("the counter goes on", 10_000, async () => (await count("saved")) > again);
    }
    expect(JSON.parse(await banger.ok(["vm", "snapshot", "list", "saved", "--json"]))).toMatchObject([
      { name: "before", vm: { name: "saved" } },
    ]);
    await banger.ok(["vm", "snapshot", "delete", "saved", "before"]);
    expect(await banger.ok(["vm", "snapshot", "list", "--json"])).toBe("[]\n");
  });

  test("is suspended without a process, and goes on under another daemon with the right time", async () => {
    await banger.ok(["vm", "suspend", "saved"]);
    const before = Date.now();
    expect(processesNaming(banger.dir).filter((line) => line.includes("qemu"))).toEqual([]);
    await banger.ok(["daemon", "stop"]);
    const { status, stderr } = await banger.run(["vm", "exec", "saved", "--", "true"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("banger vm start saved")]);
    const then = Date.now();
    await banger.ok(["vm", "start", "saved"]);
    expect(Number(await sh("saved", "date +%s%3N"))).toBeGreaterThan(then);
    expect(then).toBeGreaterThan(before);
    const again = await count("saved");
    await eventually("the counter goes on", 10_000, async () => (await count("saved")) > again);
    // Written a moment before, and never flushed by anybody in the guest: a stop gives up the memory, not the files.
    await sh("saved", "echo precious >/root/file; mkdir /root/more; cp /etc/os-release /root/more");
    await banger.ok(["vm", "suspend", "saved"]);
    const stopped = await banger.run(["vm", "stop", "saved"]);
    expect([stopped.status, stopped.stderr]).toEqual([0, expect.stringContaining("is given up")]);
    await banger.ok(["vm", "start", "saved"]);
    expect(await sh("saved", "cat /root/file; grep -c Debian /root/more/os-release")).toMatch(
      /^precious\n[1-9]/,
    );
    await banger.ok(["vm", "delete", "saved"]);
    expect(left()).toEqual([]);
  });
});
