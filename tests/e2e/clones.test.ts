/**
 * Clones of one template, compared in everything that must be each one's own, and with the template itself.
 * BANGER_CLONES says how many there are; 20 is a thorough number.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../src/warm/checksum.ts";
import { Banger, eventually, templates } from "./fixture.ts";
import { clockOf } from "./guest-clock.ts";

const count = Number(process.env.BANGER_CLONES ?? 4);
const size = ["--memory", "256M", "--vcpu", "1"];
const slow = 300_000 + count * 60_000;
const names = Array.from({ length: count }, (_, index) => `clone-${index}`);
let banger: Banger;
let template: string;
let digestsBefore: string[];

/** A word and a value a line: values of words in capitals must differ, in all lines of all guests. */
const facts = `
file() { [ ! -e "$2" ] || echo "$1 $(sha256sum < "$2")"; }
echo "HOSTNAME $(hostname)"
echo "HOSTS $(grep 127.0.1.1 /etc/hosts)"
echo "MACHINE_ID $(cat /etc/machine-id)"
echo "BOOT_ID $(cat /proc/sys/kernel/random/boot_id)"
file HOST_KEY /etc/ssh/ssh_host_ed25519_key
file HOST_KEY_PUBLIC /etc/ssh/ssh_host_ed25519_key.pub
file SEED /var/lib/systemd/random-seed
for i in 1 2 3; do echo "UUID $(cat /proc/sys/kernel/random/uuid)"; done
echo "TEMPORARY $(mktemp -u /XXXXXXXXXXXXXXXXXXXXXXXX)"
# 318 is getrandom(2) on x86-64; each draw is one stream's beginning.
perl -e 'for (1..500) { my $b = "\\0" x 16; syscall(318, $b, 16, 0) == 16 or die; print "RANDOM ", unpack("H*", $b), "\\n" }'
perl -e 'open U, "<:raw", "/dev/urandom" or die; for (1..500) { sysread(U, my $b, 16) == 16 or die; print "RANDOM ", unpack("H*", $b), "\\n" }'
echo "bus $(cmp -s /etc/machine-id /var/lib/dbus/machine-id && echo the same)"
echo "init $(busctl call org.freedesktop.systemd1 / org.freedesktop.DBus.Peer GetMachineId | grep -c "$(cat /etc/machine-id)") is its own"
echo "kernel $(uname -rv)"
echo "processors $(nproc)"
echo "memory $(grep MemTotal /proc/meminfo)"
echo "address $(ip -4 -o addr show eth0)"
echo "route $(ip route)"
file system /usr/lib/systemd/systemd
file settings /etc/ssh/sshd_config.d/99-banger.conf
file authorized /root/.ssh/authorized_keys
echo "units $(systemctl is-system-running) $(systemctl list-units --failed --no-legend | wc -l)"
`;

beforeAll(async () => {
  banger = new Banger({ warm: true });
  await banger.image();
  await banger.ok(["template", "prune"]);
  await banger.ok(["vm", "run", "--rm", ...size, "--", "true"]);
  await eventually("a template is made", 300_000, async () => {
    const listed: unknown[] = JSON.parse(await banger.ok(["template", "list", "--json"]));
    return listed.length === 1;
  });
  template = join(templates, readdirSync(templates)[0] ?? "");
  digestsBefore = await digests();
  for (const name of names) await banger.ok(["vm", "create", "--name", name, ...size]);
}, slow);
afterAll(async () => {
  await banger.ok(["template", "prune"]);
  await banger.close();
}, slow);

/** Of all that is no hole: the work disk is nearly nothing else. */
const digests = () => Promise.all(readdirSync(template).map((name) => checksum(join(template, name))));

describe(`${count} clones of a template`, () => {
  const said = new Map<string, string[]>();

  test(
    "go on from it, all of them",
    async () => {
      for (const name of names) {
        const { start } = JSON.parse(await banger.ok(["vm", "show", "--json", name]));
        expect(start).toMatchObject({ how: "warm" });
        said.set(name, (await banger.ok(["vm", "exec", name, "--", "sh", "-c", facts])).trim().split("\n"));
      }
    },
    slow,
  );

  test("have names, ids, keys, seeds and random numbers of their own", () => {
    const secrets = [...said.values()].flat().filter((line) => /^[A-Z]/.test(line));
    const values = secrets.map((line) => line.slice(line.indexOf(" ") + 1));
    expect(values.length).toBeGreaterThanOrEqual(count * 1010);
    const seen = new Map<string, number>();
    for (const value of values) seen.set(value, (seen.get(value) ?? 0) + 1);
    expect([...seen].filter(([, times]) => times > 1)).toEqual([]);
  });

  test("are the same in everything else, and well", () => {
    const rest = [...said.values()].map((lines) => lines.filter((line) => /^[a-z]/.test(line)).join("\n"));
    expect(new Set(rest).size).toBe(1);
    expect(rest[0]).toContain("units running 0");
    expect(rest[0]).toContain("10.0.2.15/24");
    expect(rest[0]).toContain("bus the same");
    expect(rest[0]).toContain("init 1 is its own");
  });

  test(
    "have the host's time, each to 50 ms",
    async () => {
      for (const name of names) {
        const { offMs, withinMs } = await clockOf(banger, name);
        expect(Math.abs(offMs)).toBeLessThan(50 + withinMs);
      }
    },
    slow,
  );

  test(
    "show their own host key to whoever comes by ssh",
    async () => {
      // A first login starts five services, which takes seconds where everything is emulated.
      for (const name of names.slice(0, 4))
        expect(await banger.ok(["vm", "ssh", name, "--", "hostname"])).toBe(`${name}\n`);
    },
    slow,
  );

  test.skipIf(Bun.which("qemu-img") === null)(
    "share nothing with the template, whose files are as they were made",
    async () => {
      expect(await digests()).toEqual(digestsBefore);
      const disk = join(banger.dir, "template.raw");
      execFileSync("qemu-img", ["convert", "-O", "raw", join(template, "root.qcow2"), disk]);
      expect(statSync(disk).size).toBeGreaterThan(0);
      const cat = (path: string) =>
        spawnSync("debugfs", ["-R", `cat ${path}`, disk], { encoding: "utf8" }).stdout.trim();
      const machineId = cat("/etc/machine-id");
      const key = cat("/etc/ssh/ssh_host_ed25519_key").split("\n").at(-2) ?? "";
      expect(machineId).toMatch(/^[0-9a-f]{32}$/);
      expect(key.length).toBeGreaterThan(20);
      expect(cat("/var/lib/systemd/random-seed")).toBe("");
      rmSync(disk);
      const search = `grep -rlFs -e "$0" -e "$1" /etc/machine-id /etc/ssh /etc/host* /var/lib/dbus /var/log /run; true`;
      for (const name of names) {
        const found = await banger.ok(["vm", "exec", name, "--", "sh", "-c", search, machineId, key]);
        expect(found).toBe("");
        expect(said.get(name)?.join("\n")).not.toContain(machineId);
      }
    },
    slow,
  );
});
