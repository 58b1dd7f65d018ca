/** `banger doctor` on a host that is broken in one way after the other: its verdict, its remedy, and what --fix does about it. */
import { beforeAll, expect, test } from "bun:test";
import type { Report } from "../../src/doctor/doctor.ts";
import { type HostUser, host } from "./host.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 400_000 } as const;
const installed = "/usr/local/bin/banger";

type Mended = { line: string; checks: string[]; outcome: string };
async function doctor(words = "", user: HostUser = "dev", program = installed) {
  const { stdout } = await machine.run(`${program} doctor --json ${words}`, { user, ...slow });
  const report = JSON.parse(stdout) as Report & { mended?: Mended[] };
  const check = (id: string) => report.results.find((each) => each.id === id);
  return { ...report, check };
}
const asRoot = () => doctor("", "root");
const fix = () => doctor("--fix --yes", "root");

test("/dev/kvm that only root may open is given back to its group, by the lines to paste", async () => {
  await machine.ok("chown root:root /dev/kvm; chmod 600 /dev/kvm", root);
  const ill = await doctor("", "dev", "./banger");
  expect(ill.check("kvm")).toMatchObject({
    summary: "VMs are emulated, slow: you may not open /dev/kvm",
    remedy: ["sudo chgrp kvm /dev/kvm", "sudo chmod 660 /dev/kvm"],
  });
  const left = await machine.run("./banger doctor --fix --yes", slow);
  expect(left.stderr).toContain("for kvm: sudo chmod 660 /dev/kvm  (needs root");
  for (const line of ill.check("kvm")?.remedy ?? []) await machine.ok(line);
  expect((await doctor("", "dev", "./banger")).check("kvm")?.summary).not.toContain("you may not open");
}, 400_000);

beforeAll(async () => {
  await machine.giveStore();
}, 400_000);

test("with the services installed all of them is well", async () => {
  await machine.ok("sudo ./banger system install --owner dev", slow);
  expect(
    await machine.ok("man -w banger-vm 2>/dev/null || ls /usr/local/share/man/man1/banger-vm.1"),
  ).toContain("/usr/local/share/man/man1/banger-vm.1");
  const { results } = await asRoot();
  expect(results.filter(({ state }) => state === "fail")).toEqual([]);
}, 400_000);

test("a service that was stopped is started", async () => {
  await machine.ok("systemctl stop bangerd", root);
  expect((await doctor()).check("services")).toMatchObject({
    state: "fail",
    summary: "not active: bangerd.service",
    remedy: ["sudo banger system restart", "journalctl -u bangerd.service"],
  });
  const mended = await fix();
  expect(mended.mended?.find(({ line }) => line === "banger system restart")).toMatchObject({
    checks: expect.arrayContaining(["services"]),
    outcome: "done",
  });
  expect(mended.check("services")?.state).toBe("pass");
}, 400_000);

test("a TAP of no VM is taken away by the services", async () => {
  await machine.ok(
    `ip tuntap add tap-pool-77 mode tap && ip link set tap-pool-77 alias "banger:3f2a91c0-5b7e-4d21-9c3a-0123456789ab 172.16.0.77 02:3f:2a:91:c0:5b no-nat"`,
    root,
  );
  expect((await doctor()).check("leftovers")).toMatchObject({
    state: "warn",
    summary: "something is left of VMs that do not run: 3f2a91c0",
  });
  const mended = await fix();
  expect(mended.check("leftovers")?.state).toBe("pass");
  expect((await machine.run("ip link show tap-pool-77")).status).not.toBe(0);
}, 400_000);

test("files that others could change, and a state that others could look into, are shut", async () => {
  await machine.ok("chmod 666 /etc/banger/install.toml; chmod 755 /var/lib/banger", root);
  const ill = await doctor();
  expect(ill.check("trusted-files")).toMatchObject({ state: "fail" });
  expect(ill.check("state")?.summary).toBe("others may look into /var/lib/banger: its mode is 755");
  const mended = await fix();
  expect(mended.mended?.map(({ line }) => line)).toEqual([
    "chown root:root /etc/banger/install.toml",
    "chmod go-w /etc/banger/install.toml",
    "chmod go-rwx /var/lib/banger",
  ]);
  expect([mended.check("trusted-files")?.state, mended.check("state")?.state]).toEqual(["pass", "pass"]);
}, 400_000);

test("systemd-resolved that is stopped is started", async () => {
  await machine.ok("systemctl stop systemd-resolved", root);
  expect((await doctor()).check("name-server")).toMatchObject({
    state: "warn",
    remedy: ["sudo systemctl start systemd-resolved", expect.stringContaining("default_dns")],
  });
  await fix();
  expect((await machine.ok("systemctl is-active systemd-resolved")).trim()).toBe("active");
}, 400_000);

test("a disk that is almost full is told, with what frees it; nothing is removed unasked", async () => {
  await machine.ok(
    `free=$(df --output=avail -B1M / | tail -1); fallocate -l "$((free - 300))M" /var/tmp/ballast`,
    root,
  );
  try {
    const { check } = await doctor();
    expect(check("disk-space")).toMatchObject({
      state: "warn",
      remedy: ["banger prune", "banger template prune", expect.any(String)],
    });
    expect(check("disk-space")?.fixes).toEqual([]);
  } finally {
    await machine.ok("rm /var/tmp/ballast", root);
  }
}, 400_000);

test("a Firecracker that is too old is told, with the line that fetches another", async () => {
  const script = "#!/bin/sh\\necho Firecracker v1.4.0\\n";
  await machine.ok(
    `mv /usr/local/bin/firecracker /srv/kept; printf '${script}' >/usr/local/bin/firecracker; chmod 755 /usr/local/bin/firecracker`,
    root,
  );
  try {
    const { check } = await doctor();
    expect(check("firecracker")).toMatchObject({
      state: "fail",
      summary: "1.4.0 is too old: 1.5.0 is the least",
      remedy: ["sudo banger firecracker install"],
    });
    expect(check("firecracker")?.fixes.map(({ command }) => command)).toEqual([
      ["banger", "firecracker", "install"],
    ]);
  } finally {
    await machine.ok("mv /srv/kept /usr/local/bin/firecracker", root);
  }
}, 400_000);

test("Docker's DROP policy and a host that forwards no longer are opened again for a VM with NAT", async () => {
  await machine.ok(
    "banger vm create --name way --nat --image tiny --memory 256M --vcpu 1 --disk-size 64M",
    slow,
  );
  await machine.ok("iptables -N DOCKER-USER; iptables -P FORWARD DROP", root);
  expect((await asRoot()).check("forwarding")).toMatchObject({
    state: "fail",
    summary: "another firewall refuses what guests send: ip filter FORWARD",
    remedy: ["banger system restart"],
  });
  expect((await fix()).check("forwarding")?.state).toBe("pass");
  await machine.ok("sysctl -qw net.ipv4.ip_forward=0", root);
  expect((await doctor()).check("forwarding")?.summary).toBe(
    "the host does not forward: guests with NAT reach nothing",
  );
  expect((await fix()).check("forwarding")?.state).toBe("pass");
  expect((await machine.ok("cat /proc/sys/net/ipv4/ip_forward")).trim()).toBe("1");
  await machine.ok("banger vm delete way", slow);
}, 800_000);

test("an uninstall takes the manual away again", async () => {
  await machine.ok(`sudo ${installed} system uninstall`, slow);
  expect((await machine.run("ls /usr/local/share/man/man1")).status).not.toBe(0);
}, 400_000);
