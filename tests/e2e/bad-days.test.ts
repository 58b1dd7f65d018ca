/** Hosts on a bad day: no QEMU, no memory, two daemons, a damaged database, a clock that jumps. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Banger, eventually, executable } from "./fixture.ts";

const banger = new Banger();
const state = join(banger.env.XDG_STATE_HOME ?? "", "banger");

beforeAll(() => banger.image());
afterAll(async () => {
  await banger.close();
  for (const name of readdirSync(state)) if (name.includes(".corrupt-")) rmSync(join(state, name));
});

/** As on a host without the program: in a mount namespace, in which the daemon that is started there lives, too. */
function runWithout(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const hidden = 'mount --bind /dev/null "$(readlink -f "$(command -v "$0")")" && exec "$@"';
  const words = ["--mount", "sh", "-c", hidden, program, executable, ...args];
  return spawnSync("unshare", words, { env: { ...banger.env, ...env }, encoding: "utf8" });
}

const names = async () => (await banger.vms()).map((vm) => vm.name);

test("more memory than the host gives is said to be too much, and the VM can be deleted", async () => {
  const { status, stderr } = await banger.run(["vm", "create", "--name", "greedy", "--memory", "900G"]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/the VM may take 900G of memory, but this host has .* in all/);
  expect((await banger.vms()).map((vm) => [vm.name, vm.state, vm.pid])).toEqual([["greedy", "error", null]]);
  await banger.ok(["vm", "delete", "greedy"]);
  const run = await banger.run(["vm", "run", "--rm", "--memory", "900G", "--", "true"]);
  expect(run.stderr).toContain("memory");
  expect(await names()).toEqual([]);
  expect(banger.leftovers().filter((left) => left.includes("/vms/"))).toEqual([]);
});

test("a host without QEMU is told what to install", async () => {
  await banger.ok(["daemon", "stop"]);
  const { status, stderr } = runWithout("qemu-system-x86_64", ["vm", "create", "--name", "unborn"]);
  expect(status).toBe(1);
  expect(stderr).toContain("apt-get install --no-install-recommends qemu-system-x86");
  await banger.ok(["daemon", "stop"]);
  expect(await names()).toEqual([]);
});

test("a host without mmdebstrap is told so before anything is fetched for an image", async () => {
  const env = { XDG_STATE_HOME: join(banger.dir, "bare"), XDG_RUNTIME_DIR: banger.dir };
  const { status, stderr } = runWithout("mmdebstrap", ["image", "pull", "debian-bookworm"], env);
  expect(status).toBe(1);
  expect(stderr).toContain("hint: install it: sudo apt-get install mmdebstrap");
  expect(stderr).not.toContain("kernel");
  await banger.ok(["daemon", "stop"], { env });
});

test("a second daemon leaves the first one alone", async () => {
  const pid = await banger.daemonPid();
  const second = spawnSync(executable, ["internal", "daemon"], {
    env: banger.env,
    encoding: "utf8",
    timeout: 20_000,
  });
  expect(second.signal).toBeNull();
  expect(await banger.daemonPid()).toBe(pid);
});

test("a damaged database is set aside, and VMs are found again by their directories", async () => {
  await banger.ok(["vm", "create", "--no-start", "--name", "survivor"]);
  await banger.ok(["daemon", "stop"]);
  for (const suffix of ["-wal", "-shm"]) rmSync(join(state, `banger.db${suffix}`), { force: true });
  writeFileSync(join(state, "banger.db"), "this is no database".repeat(1000));
  expect(await names()).toEqual(["survivor"]);
  expect(readdirSync(state).some((name) => name.startsWith("banger.db.corrupt-"))).toBe(true);
  expect(await banger.ok(["vm", "delete", "survivor"])).toBe("survivor\n");
});

test.skipIf(process.getuid?.() !== 0)(
  "on a full disk the guest hears of it, and its VM can be stopped, started and deleted",
  async () => {
    const small = new Banger();
    // Not below a directory that is removed with all in it: the image is mounted there.
    const disk = mkdtempSync(join(tmpdir(), "banger-small-"));
    const mounts = ["images", "kernels"].map((name) => join(disk, "banger", name));
    const sh = (script: string, ...args: string[]) =>
      expect(spawnSync("sh", ["-ec", script, "sh", ...args], { encoding: "utf8" }).stderr).toBe("");
    sh('mount -t tmpfs -o size=60m,mode=700 tmpfs "$1"', disk);
    for (const mount of mounts)
      sh(
        'mkdir -p "$2"; mount --bind "$1" "$2"',
        join(state, mount.slice(join(disk, "banger").length)),
        mount,
      );
    small.env.XDG_STATE_HOME = disk;
    try {
      await small.ok(["vm", "create", "--name", "full", "--memory", "1G"]);
      const fill = "dd if=/dev/urandom of=/root/big bs=1M count=100 conv=fsync";
      expect((await small.run(["vm", "exec", "full", "--", "sh", "-c", fill])).stderr).toMatch(
        /Input\/output error|Read-only file system/,
      );
      expect(await small.ok(["vm", "exec", "full", "--", "echo", "alive"])).toBe("alive\n");
      for (const word of ["stop", "start", "delete"])
        expect(await small.ok(["vm", word, "full"])).toBe("full\n");
      expect(await small.vms()).toEqual([]);
    } finally {
      await small.close();
      for (const mount of [...mounts, disk]) sh('umount -l "$1"', mount);
      rmdirSync(disk);
    }
  },
);

const faketime = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((triplet) => `/usr/lib/${triplet}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

test.skipIf(faketime === undefined)("a clock that jumps by years stops nothing", async () => {
  const clock = join(banger.dir, "clock");
  const shift = (years: string) => writeFileSync(clock, `${years}y`);
  shift("+0");
  await banger.ok(["daemon", "stop"]);
  Object.assign(banger.env, {
    LD_PRELOAD: faketime,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  });
  try {
    await banger.ok(["vm", "create", "--name", "timeless", "--memory", "1G"]);
    for (const years of ["+3", "-3"]) {
      shift(years);
      expect((await banger.run(["vm", "exec", "timeless", "--", "echo", "on"])).stdout).toBe("on\n");
      expect((await banger.vms()).map((vm) => [vm.name, vm.state])).toEqual([["timeless", "running"]]);
    }
    await banger.ok(["vm", "restart", "timeless"]);
    await banger.ok(["vm", "delete", "timeless"]);
    await eventually("nothing is left", 5000, async () => (await names()).length === 0);
  } finally {
    await banger.run(["daemon", "stop"]);
    for (const name of Object.keys(banger.env))
      if (/^(LD_PRELOAD|FAKETIME)/.test(name)) delete banger.env[name];
  }
});
