/** Going on from templates instead of booting, with real guests. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, statSync, utimesSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Banger, eventually, processesNaming, templates } from "./fixture.ts";
import { clockOf } from "./guest-clock.ts";

const size = ["--memory", "256M", "--vcpu", "1"];
const slow = 600_000;
let banger: Banger;

const named = () => (existsSync(templates) ? readdirSync(templates) : []);
/** QEMU's name for the guest of a template that is being made by this test's daemon. */
const making = () => processesNaming(banger.dir).filter((line) => line.includes("guest=template"));

async function made(): Promise<string> {
  await eventually("a template is made", 300_000, () => named().some((name) => /^[0-9a-f]{32}$/.test(name)));
  await eventually("its guest is gone", 60_000, () => making().length === 0);
  return join(templates, named()[0] ?? "");
}

async function how(name: string): Promise<unknown> {
  return JSON.parse(await banger.ok(["vm", "show", "--json", name])).start;
}

beforeAll(async () => {
  banger = new Banger({ warm: true });
  await banger.image();
  await banger.ok(["template", "prune"]);
}, 900_000);
afterAll(async () => {
  await banger.ok(["template", "prune"]);
  await banger.close();
}, 120_000);

/** What must not be the same in two guests, one a line; and their random streams. */
const secrets = `cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub
hostname; for i in $(seq 100); do cat /proc/sys/kernel/random/uuid; done; head -c 32 /dev/urandom | od -An -tx1`;

describe("a new VM", () => {
  test(
    "boots, and a template is made for the next one, which goes on from it",
    async () => {
      await banger.ok(["vm", "create", "--name", "first", ...size]);
      expect(await how("first")).toMatchObject({ how: "cold" });
      const template = await made();
      await banger.ok(["vm", "create", "--name", "second", ...size]);
      expect(await how("second")).toEqual({ how: "warm", template: template.slice(-32) });
      expect(await banger.ok(["vm", "exec", "second", "--", "hostname"])).toBe("second\n");
      expect(JSON.parse(await banger.ok(["template", "list", "--json"]))).toMatchObject([{ memoryMiB: 256 }]);
    },
    slow,
  );

  test(
    "shares no identity with another one of its template, and its clock is right",
    async () => {
      const both = ["twin-1", "twin-2"];
      await Promise.all(both.map((name) => banger.ok(["vm", "create", "--name", name, ...size])));
      for (const name of both) expect(await how(name)).toMatchObject({ how: "warm" });
      const [one = "", two = ""] = await Promise.all(
        both.map((name) => banger.ok(["vm", "exec", name, "--", "sh", "-c", secrets])),
      );
      const lines = [one, two].map((said) => said.trim().split("\n"));
      expect(lines[0]?.length).toBe(lines[1]?.length);
      expect(lines[0]?.filter((line) => lines[1]?.includes(line))).toEqual([]);
      for (const name of both) {
        const { offMs, withinMs } = await clockOf(banger, name);
        // What is measured through a busy command line is no more exact than that.
        expect(Math.abs(offMs)).toBeLessThan(50 + withinMs);
      }
      expect(await banger.ok(["vm", "exec", "twin-1", "--", "systemctl", "is-system-running"])).toBe(
        "running\n",
      );
      const addresses = await banger.ok([
        "vm",
        "exec",
        "twin-1",
        "--",
        "ip",
        "-4",
        "-o",
        "addr",
        "show",
        "eth0",
      ]);
      expect(addresses).toContain("10.0.2.15/24");
    },
    slow,
  );

  test(
    "is let in by OpenSSH, which knows its own host key and no other",
    async () => {
      const { status, stdout, stderr } = await banger.run(["vm", "ssh", "twin-2", "--", "hostname"]);
      expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: "twin-2\n" });
      await banger.ok(["vm", "exec", "twin-2", "--", "sh", "-c", "logger spoken; sleep 3"]);
      const journal = await banger.ok(["vm", "exec", "twin-2", "--", "journalctl", "-b", "--no-pager"]);
      expect(journal).toContain("twin-2 root");
      expect(journal).not.toMatch(/ t [a-z]/);
    },
    slow,
  );

  test(
    "boots when it is told to",
    async () => {
      await banger.ok(["vm", "create", "--cold", "--name", "told", ...size]);
      expect(await how("told")).toEqual({ how: "cold", why: "a cold start was asked for" });
    },
    slow,
  );

  test(
    "whose template is damaged boots, says so once, and the next one goes on from a new one",
    async () => {
      const template = await made();
      const memory = join(template, "memory");
      const { atime, mtime } = statSync(memory);
      // In the middle of the kernel's text, where QEMU would not notice; and as if nothing had been written.
      const file = openSync(memory, "r+");
      writeSync(file, "\0\0\0\0", 16 * 1024 * 1024);
      utimesSync(memory, atime, mtime);
      const { status, stderr } = await banger.run(["vm", "create", "--name", "damaged", ...size]);
      expect(status).toBe(0);
      expect(stderr.match(/template .* damaged/g)?.length).toBe(1);
      expect(await banger.ok(["vm", "exec", "damaged", "--", "hostname"])).toBe("damaged\n");
      await made();
      await banger.ok(["vm", "create", "--name", "after", ...size]);
      expect(await how("after")).toMatchObject({ how: "warm" });
      await banger.ok(["vm", "delete", ...(await banger.vms()).map((vm) => vm.name)]);
    },
    slow,
  );
});

describe("templates", () => {
  test(
    "are removed by prune, under a VM that runs on one too",
    async () => {
      await banger.ok(["vm", "create", "--name", "on-it", ...size]);
      expect(await how("on-it")).toMatchObject({ how: "warm" });
      expect((await banger.run(["template", "prune"])).stderr).toContain("a template removed: ");
      expect(named()).toEqual([]);
      await banger.ok(["vm", "exec", "on-it", "--", "sh", "-c", "ls -R /etc /usr/lib | md5sum"]);
      await banger.ok(["vm", "delete", "on-it"]);
    },
    slow,
  );

  test.skipIf(process.getuid?.() !== 0)(
    "that are being made when their disk fills up are taken back, and VMs that run go on",
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1700M,mode=0700", "templates", templates]);
      try {
        await banger.ok(["vm", "create", "--name", "beside", ...size]);
        await eventually("a template's guest runs", 60_000, () => making().length > 0);
        // To the last byte: what QEMU's guest writes next has no place in its memory's file.
        spawnSync("dd", ["if=/dev/zero", `of=${join(templates, "filler")}`, "bs=1M"]);
        await eventually("it is given up", 120_000, () => making().length === 0);
        await eventually("it leaves nothing", 10_000, () => named().join() === "filler");
        expect(
          await banger.ok(["vm", "exec", "beside", "--", "sh", "-c", "echo x > /root/x; sync; cat /root/x"]),
        ).toBe("x\n");
        await banger.ok(["vm", "delete", "beside"]);
      } finally {
        execFileSync("umount", [templates]);
      }
      expect(banger.leftovers()).toEqual([]);
    },
    slow,
  );

  test(
    "that are being made when the daemon is killed leave nothing",
    async () => {
      await banger.ok(["vm", "run", "--rm", ...size, "--", "true"]);
      await eventually("a template's guest runs", 60_000, () => making().length > 0);
      process.kill(await banger.daemonPid(), "SIGKILL");
      await banger.ok(["vm", "list"]);
      expect(making()).toEqual([]);
      expect(named()).toEqual([]);
      expect(banger.leftovers()).toEqual([]);
    },
    slow,
  );
});
