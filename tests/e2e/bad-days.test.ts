/** Hosts on a bad day: no QEMU, no memory, two daemons, a damaged database, a clock that jumps. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Banger, eventually, executable } from "./fixture.ts";

const banger = new Banger();
const state = join(banger.env.XDG_STATE_HOME ?? "", "banger");

beforeAll(() => banger.image());
afterAll(async () => {
  await banger.close();
  for (const name of readdirSync(state)) if (name.includes(".corrupt-")) rmSync(join(state, name));
});

const names = async () => (await banger.vms()).map((vm) => vm.name);

test("more memory than the host gives is said to be too much, and the VM can be deleted", async () => {
  const { status, stderr } = await banger.run(["vm", "create", "--name", "greedy", "--memory", "900G"]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/memory/);
  expect((await banger.vms()).map((vm) => [vm.name, vm.state, vm.pid])).toEqual([["greedy", "error", null]]);
  await banger.ok(["vm", "delete", "greedy"]);
  expect(banger.leftovers().filter((left) => left.includes("/vms/"))).toEqual([]);
});

test("a host without QEMU is told what to install", async () => {
  await banger.ok(["daemon", "stop"]);
  // Only in a mount namespace of its own; the daemon that is started there lives in it, too.
  const hidden = 'mount --bind /dev/null "$(readlink -f "$(command -v qemu-system-x86_64)")" && exec "$@"';
  const words = ["--mount", "sh", "-c", hidden, "sh", executable, "vm", "create", "--name", "unborn"];
  const { status, stderr } = spawnSync("unshare", words, { env: banger.env, encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toContain("apt-get install --no-install-recommends qemu-system-x86");
  await banger.ok(["daemon", "stop"]);
  expect(await names()).toEqual([]);
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
