/** What the emulated host can do. When one of these fails, no other scenario means anything. */
import { expect, test } from "bun:test";
import { startByHand } from "./host/guest.ts";
import { host } from "./host.ts";

const machine = await host();
const asRoot = { user: "root" } as const;

test("systemd runs, with nothing failed and a journal that stays", async () => {
  expect((await machine.ok("systemctl is-system-running")).trim()).toBe("running");
  expect((await machine.ok("cat /proc/1/comm")).trim()).toBe("systemd");
  expect(Number(await machine.ok("ls -d /var/log/journal/*/ | wc -l", asRoot))).toBe(1);
  expect((await machine.ok("stat -f -c %T /sys/fs/cgroup")).trim()).toBe("cgroup2fs");
});

test("dev may open /dev/kvm and become root, and has banger", async () => {
  expect((await machine.ok("id -u; id -un; pwd")).split("\n").slice(0, 3)).toEqual([
    "1000",
    "dev",
    "/home/dev",
  ]);
  await machine.ok("exec 3<>/dev/kvm");
  expect((await machine.ok("sudo -n id -u")).trim()).toBe("0");
  expect(await machine.ok("./banger --version")).toStartWith("banger v");
});

test("a command's status, output, input and time limit are its own", async () => {
  const piped = await machine.run("cat; echo no >&2; exit 3", { input: "a\nb" });
  expect([piped.status, piped.stdout, piped.stderr]).toEqual([3, "a\nb", "no\n"]);
  expect((await machine.run("sleep 600", { timeoutMs: 1000 })).status).toBe(124);
});

test("device-mapper makes a snapshot of a loop device, and takes it away", async () => {
  const sectors = await machine.ok(
    `set -e; cd /srv; truncate -s 8M base cow
base=$(losetup --read-only --show -f base); cow=$(losetup --show -f cow)
echo "0 $(blockdev --getsz $base) snapshot $base $cow P 8" | dmsetup create probe
echo written | dd of=/dev/mapper/probe conv=notrunc status=none; sync
head -c 8 base | tr '\\0' .; head -c 8 /dev/mapper/probe
dmsetup remove probe; losetup -d $base $cow; rm base cow; test ! -e /dev/mapper/probe`,
    asRoot,
  );
  expect(sectors).toBe("........written\n");
});

test("there are TAP devices, bridges, nft and iptables", async () => {
  await machine.ok(
    `set -e; ip link add br-probe type bridge; ip tuntap add tap-probe mode tap user dev
ip link set tap-probe master br-probe; bridge link set dev tap-probe isolated on
ip -d link show tap-probe | grep -q 'isolated on'
nft add table inet probe; nft list tables | grep -qx 'table inet probe'; nft delete table inet probe
iptables -N PROBE; iptables -X PROBE
ip link del tap-probe; ip link del br-probe`,
    asRoot,
  );
});

test("systemd-resolved answers, for the host's own programs too", async () => {
  expect(await machine.ok("resolvectl query --legend=no host")).toContain("host: 127.0.1.1");
  expect((await machine.ok("getent hosts _gateway")).split(/\s+/)[0]).toBe("10.0.2.2");
  expect((await machine.ok("readlink /etc/resolv.conf")).trim()).toBe(
    "../run/systemd/resolve/stub-resolv.conf",
  );
});

test("the store has a Debian image, a tiny one and their kernel, whole", async () => {
  const listed = await machine.ok(
    `for m in /srv/banger/images/*/manifest.json; do d=\${m%/*}
jq -r '"\\(.name) \\(.rootfsBytes) \\(.rootfsModifiedMs / 1000 | floor)"' $m; stat -c '%s %Y %a %u' $d/rootfs.ext4; done`,
  );
  const lines = listed.trim().split("\n");
  expect(lines.filter((_, i) => i % 2 === 0).map((line) => line.split(" ")[0])).toEqual(
    expect.arrayContaining(["debian-bookworm", "tiny"]),
  );
  for (let i = 0; i < lines.length; i += 2) {
    expect(lines[i + 1]).toBe(`${lines[i]?.split(" ").slice(1).join(" ")} 400 1000`);
  }
});

test("a real Firecracker under its jailer boots the tiny guest, whose agent says hello over vsock", async () => {
  const { apiMs, startedMs, helloMs, endMs, status } = await startByHand(machine);
  console.log(`    API ${apiMs} ms, started ${startedMs} ms, hello ${helloMs} ms, ended in ${endMs} ms`);
  expect(status).toBe(0);
  expect(await machine.ok("pgrep -c firecracker || true", asRoot)).toBe("0\n");
  expect(
    await machine.ok(
      "ls /srv/by-hand/firecracker /sys/fs/cgroup/by-hand -d; ls /srv/by-hand/firecracker",
      asRoot,
    ),
  ).toBe("/srv/by-hand/firecracker\n/sys/fs/cgroup/by-hand\n");
});

test("a power cut takes what was not flushed and nothing else; a reset takes all", async () => {
  const boot = await machine.ok("cat /proc/sys/kernel/random/boot_id");
  await machine.ok("echo flushed > kept; sync; echo not > lost");
  await machine.powerCut();
  expect(await machine.ok("cat kept; test -s lost && echo there || echo gone")).toBe("flushed\ngone\n");
  expect(await machine.ok("cat /proc/sys/kernel/random/boot_id")).not.toBe(boot);
  await machine.reset();
  expect(await machine.ok("ls")).toBe("banger\n");
});
