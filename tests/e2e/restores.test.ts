/**
 * Restores in a row: nothing grows, nothing is used twice; and guests that work hard leave whole file systems.
 * BANGER_RESTORES says how many there are; 200 is a thorough number.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Banger, eventually, processesNaming, root } from "./fixture.ts";

const count = Number(process.env.BANGER_RESTORES ?? 5);
const size = ["--memory", "256M", "--vcpu", "1"];
const slow = 600_000 + count * 20_000;
let banger: Banger;

beforeAll(async () => {
  banger = new Banger({ warm: true });
  await banger.image();
  await banger.ok(["vm", "run", "--rm", ...size, "--", "true"]);
  await eventually("there is a template", 300_000, async () => {
    const listed: { memoryMiB: number }[] = JSON.parse(await banger.ok(["template", "list", "--json"]));
    return listed.some(({ memoryMiB }) => memoryMiB === 256);
  });
}, slow);
afterAll(async () => {
  await banger.ok(["template", "prune"]);
  await banger.close();
}, slow);

const stateDir = join(root, "build/e2e/banger");

/** What may not grow with the number of restores. Logs and the database do, and are bounded elsewhere. */
function household(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const number = (word: string) => Number(new RegExp(`^${word}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  const files = (dir: string) =>
    [...new Bun.Glob("**/*").scanSync({ cwd: dir, onlyFiles: false, dot: true })]
      .filter((path) => !/^(images|kernels)\/|^bangerd\.log|^banger\.db/.test(path))
      .sort();
  return {
    rssMiB: number("VmRSS") / 1024,
    threads: number("Threads"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    files: [...files(stateDir), ...files(join(banger.dir, "run"))],
    processes: processesNaming(banger.dir).length,
  };
}

test(
  `${count} restores in a row leave the daemon as it was, and each has a time and names of its own`,
  async () => {
    const tell =
      'echo "$EPOCHREALTIME"; hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid';
    const seen = new Set<string>();
    const restore = async (name: string) => {
      const began = Date.now();
      const { status, stdout, stderr } = await banger.run([
        "vm",
        "run",
        "--rm",
        "--name",
        name,
        ...size,
        "--",
        "bash",
        "-c",
        tell,
      ]);
      expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining("(warm)") });
      const [seconds, hostname, ...own] = stdout.trim().split("\n");
      expect(Number(seconds) * 1000).toBeWithin(began - 50, Date.now() + 50);
      expect(hostname).toBe(name);
      expect(own.length).toBe(3);
      for (const each of own) {
        expect(seen.has(each)).toBe(false);
        seen.add(each);
      }
    };
    for (let index = 0; index < 3; index += 1) await restore(`first-${index}`);
    const pid = await banger.daemonPid();
    const before = household(pid);
    for (let index = 0; index < count; index += 1) await restore(`restored-${index}`);
    expect(await banger.daemonPid()).toBe(pid);
    const { rssMiB: rssBefore, threads: threadsBefore, ...others } = before;
    // The connection of a command that has ended is closed a moment later.
    const same = ({ descriptors }: typeof before) => descriptors === others.descriptors;
    await eventually("connections are closed", 10_000, () => same(household(pid)));
    const { rssMiB, threads, ...after } = household(pid);
    expect(after).toEqual(others);
    // The runtime's threads come and go, and its heap breathes; what grows with each restore is more than that.
    expect(threads).toBeLessThan(threadsBefore + count);
    expect(rssMiB).toBeLessThan(rssBefore * 1.05 + 16);
    expect(banger.leftovers().filter((line) => !line.includes("bangerd"))).toEqual([]);
  },
  slow,
);

/** Writes, syncs, renames and removes without an end, on both disks. */
const load = `for disk in /root /var/tmp; do
  (i=0; while :; do i=$((i + 1)); mkdir $disk/load; cp -a /usr/share/perl /usr/share/zoneinfo /etc $disk/load 2>/dev/null
    dd if=/dev/urandom of=$disk/load/data bs=64k count=100 conv=fsync 2>/dev/null; mv $disk/load $disk/old.$i; rm -rf $disk/old.$((i - 1)); done) >/dev/null 2>&1 &
done; sleep 8`;

for (const [end, words] of [
  ["stopped in order", ["vm", "stop"]],
  ["killed", ["vm", "kill", "--signal", "KILL"]],
] as const) {
  test.skipIf(Bun.which("qemu-img") === null)(
    `a restored guest that is ${end} under load leaves whole file systems`,
    async () => {
      await banger.ok(["vm", "create", "--name", "busy", ...size]);
      expect(JSON.parse(await banger.ok(["vm", "show", "--json", "busy"]))).toMatchObject({
        start: { how: "warm" },
      });
      await banger.ok(["vm", "exec", "busy", "--", "sh", "-c", load]);
      await banger.ok([...words, "busy"]);
      const { id } = JSON.parse(await banger.ok(["vm", "show", "--json", "busy"]));
      const disks = join(stateDir, "vms", id);
      const copy = (name: string) => join(banger.dir, name);
      execFileSync("qemu-img", ["convert", "-O", "raw", join(disks, "root.qcow2"), copy("root")]);
      copyFileSync(join(disks, "work.ext4"), copy("work"));
      for (const disk of [copy("root"), copy("work")]) {
        // What makes it whole after a power cut, and after a stop that a busy host did not finish in time.
        spawnSync("e2fsck", ["-p", "-E", "journal_only", disk]);
        const { status, stdout } = spawnSync("e2fsck", ["-fn", disk], { encoding: "utf8" });
        expect({ status, stdout }).toMatchObject({ status: 0 });
        rmSync(disk);
      }
      await banger.ok(["vm", "delete", "busy"]);
    },
    slow,
  );
}
