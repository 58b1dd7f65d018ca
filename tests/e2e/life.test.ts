/** The rest of a VM's life: restart, kill, logs, prune, its terminal's size, its disks', and its second boot. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Banger, eventually, executable, processesNaming } from "./fixture.ts";

const banger = new Banger();
const exec = (script: string) => banger.run(["vm", "exec", "lively", "--", "sh", "-c", script]);
const state = async () => (await banger.vms()).find((vm) => vm.name === "lively")?.state;

beforeAll(async () => {
  // Before the daemon starts, which reads it once.
  await Bun.write(
    join(banger.env.XDG_CONFIG_HOME ?? "", "banger/config.toml"),
    '[vm_defaults]\nsystem_overlay_size = "12G"\n',
  );
  await banger.image();
  await banger.ok(["vm", "create", "--name", "lively", "--memory", "1G"]);
});
afterAll(() => banger.close());

test("the root file system is as large as system_overlay_size says", async () => {
  const { stdout } = await exec("df -B1G --output=size / | tail -1");
  expect(Number(stdout)).toBeWithin(11, 13);
});

test("nothing fills the disks with zeros behind the guest's back", async () => {
  expect((await exec("grep -c ' ext4 .*noinit_itable' /proc/mounts")).stdout).toBe("2\n");
  // The thread of that name reads the block bitmaps too, once, at a random moment in the first five seconds
  // of a mount (EXT4_LI_MODE_PREFETCH_BBITMAP in fs/ext4/super.c), and is gone then.
  await eventually(
    "ext4lazyinit is gone",
    20_000,
    async () => (await exec("ps -e | grep -c ext4lazyinit")).stdout === "0\n",
  );
});

test("nothing in the kernel wakes an idle guest to look around", async () => {
  expect((await exec("cat /proc/sys/kernel/watchdog /proc/sys/vm/compaction_proactiveness")).stdout).toBe(
    "0\n0\n",
  );
});

test("a command's terminal has the size of ours, also when that changes", async () => {
  let screen = "";
  const child = Bun.spawn(
    [
      executable,
      "vm",
      "exec",
      "lively",
      "--",
      "sh",
      "-c",
      "trap 'stty size; exit 5' WINCH; stty size; while :; do sleep 0.1; done",
    ],
    {
      env: { ...banger.env, TERM: "xterm" },
      terminal: {
        cols: 91,
        rows: 31,
        data: (_terminal: unknown, bytes: Uint8Array) => {
          screen += Buffer.from(bytes).toString();
        },
      },
    },
  );
  await eventually("the first size", 20_000, async () => screen.includes("31 91"));
  child.terminal?.resize(120, 40);
  expect(await child.exited).toBe(5);
  expect(screen).toContain("40 120");
});

test("addresses are random again once the guest has booted", async () => {
  expect((await exec("cat /proc/sys/kernel/randomize_va_space")).stdout).toBe("2\n");
});

test("logs -f shows what the console says, as it says it, and ends with Ctrl-C", async () => {
  const child = banger.start(["vm", "logs", "-f", "lively"]);
  let shown = "";
  child.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await Bun.sleep(500);
  await exec("echo said on the console > /dev/console");
  await eventually("it is shown", 10_000, async () => shown.includes("said on the console"));
  child.kill("SIGINT");
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(130);
});

test("restart is a new boot of the same disks, with systemd-tmpfiles in its place", async () => {
  const before = (
    await exec("touch /root/kept /var/kept; cat /proc/sys/kernel/random/boot_id; ls -d /run/sshd /run/lock")
  ).stdout;
  // What a package installed meanwhile wants to have in /run.
  await exec("echo 'd /run/of-a-package 0755 root root' > /etc/tmpfiles.d/package.conf");
  expect(await banger.ok(["vm", "restart", "lively"])).toBe("lively\n");
  const after = (await exec("cat /proc/sys/kernel/random/boot_id; ls -d /run/sshd /run/lock")).stdout;
  expect(after.split("\n").slice(1)).toEqual(before.split("\n").slice(1));
  expect(after).not.toBe(before);
  expect((await exec("ls -d /root/kept /var/kept /run/of-a-package")).status).toBe(0);
  await eventually(
    "the system is running",
    60_000,
    async () => (await exec("systemctl is-system-running")).stdout === "running\n",
  );
});

test("kill with a signal that ends nothing leaves it running, TERM and KILL end it", async () => {
  const refused = await banger.run(["vm", "kill", "--signal", "STOP", "lively"]);
  expect([refused.status, refused.stderr.includes("must be one of TERM, KILL")]).toEqual([1, true]);
  expect(await state()).toBe("running");
  for (const words of [["--signal", "SIGTERM"], []]) {
    await banger.ok(["vm", "kill", ...words, "lively"]);
    expect(await state()).toBe("stopped");
    expect(processesNaming("guest=lively")).toEqual([]);
    await banger.ok(["vm", "start", "lively"]);
    expect((await exec("ls /root/kept")).status).toBe(0);
  }
});

test("prune asks, and deletes what does not run", async () => {
  await banger.ok(["vm", "create", "--no-start", "--name", "idle"]);
  const refused = await banger.run(["vm", "prune"]);
  expect([refused.status, refused.stderr.includes("banger vm prune --yes")]).toEqual([1, true]);
  expect(await banger.ok(["vm", "prune", "--yes"])).toBe("idle\n");
  expect((await banger.vms()).map((vm) => [vm.name, vm.state])).toEqual([["lively", "running"]]);
});

test("df counts what banger has on the disk, and prune removes what nothing that runs needs", async () => {
  await banger.ok(["vm", "create", "--no-start", "--name", "idle"]);
  const { parts } = JSON.parse(await banger.ok(["df", "--json"]));
  const part = (what: string) => parts.find((each: { what: string }) => each.what === what);
  expect([part("vm").count, part("image").count, part("kernel").count]).toEqual([2, 1, 1]);
  for (const what of ["vm", "image", "kernel"]) expect(part(what).bytes).toBeGreaterThan(1024 ** 2);
  expect(part("vm").unused.map(({ name }: { name: string }) => name)).toEqual(["idle"]);
  expect([part("image").unused, part("kernel").unused]).toEqual([[], []]);
  expect(await banger.ok(["df"])).toContain("NOT NEEDED");
  expect(await banger.ok(["prune", "--dry-run"])).toMatch(/^vm +idle /m);
  expect(await banger.ok(["prune", "--yes"])).toBe("vm idle\n");
  expect((await banger.vms()).map((vm) => vm.name)).toEqual(["lively"]);
  expect((await banger.run(["prune"])).stderr).toContain("nothing to prune");
});

test("a damaged image is refused at the next start, by name and with what to do", async () => {
  await banger.ok(["vm", "stop", "lively"]);
  const image = JSON.parse(await banger.ok(["image", "show", "debian-bookworm", "--json"]));
  const manifest = join(image.path, "manifest.json");
  const right = await Bun.file(manifest).text();
  try {
    writeFileSync(manifest, right.replace(/"rootfsBytes": \d+/, '"rootfsBytes": 4096'));
    const { status, stderr } = await banger.run(["vm", "start", "lively"]);
    expect(status).toBe(1);
    expect(stderr).toContain("image debian-bookworm is damaged");
    expect(stderr).toContain("banger image pull debian-bookworm");
  } finally {
    writeFileSync(manifest, right);
  }
  await banger.ok(["vm", "start", "lively"]);
});
