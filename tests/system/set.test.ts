/** What changes of a VM that is there: its way out while it runs, its disks, saved as an image; and a root disk that runs full. */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";
import { settledVms } from "./traces.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 400_000 } as const;
const small = "--image tiny --memory 256M --vcpu 1 --disk-size 64M";

/** A network that the guest reaches by way of the host alone, and how often somebody in it was asked for a connection. */
const outside = "203.0.113.2";
const makeOutside = `set -e
ip netns add outside
ip link add outside type veth peer name inside netns outside
ip addr add 203.0.113.1/24 dev outside; ip link set outside up
ip -n outside addr add ${outside}/24 dev inside; ip -n outside link set inside up; ip -n outside link set lo up
ip netns exec outside nft 'add table ip count; add chain ip count in { type filter hook input priority 0; }
add rule ip count in tcp dport 8080 ip saddr 203.0.113.1 tcp flags syn counter'
systemd-run --quiet --unit outside-server --property=NetworkNamespacePath=/run/netns/outside --setenv=BUN_BE_BUN=1 \
  /home/dev/banger -e 'Bun.serve({ port: 8080, fetch: () => new Response("from outside\\n") }); await new Promise(() => {})'`;
const connections = async () =>
  Number(/packets (\d+)/.exec(await machine.ok("ip netns exec outside nft list table ip count", root))?.[1]);

const shown = async (name: string) => JSON.parse(await machine.ok(`banger vm show --json ${name}`));
const fetched = (name: string) =>
  machine.run(
    `banger vm exec ${name} -- /bin/busybox timeout 10 /bin/busybox wget -q -O - http://${outside}:8080/`,
    slow,
  );

beforeAll(async () => {
  await machine.ok(makeOutside, root);
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok(`banger vm create --name set ${small}`, slow);
}, 600_000);

test("the way out is opened and shut while the VM runs; what arrives outside is counted", async () => {
  expect((await fetched("set")).status).not.toBe(0);
  expect(await connections()).toBe(0);
  const { pid } = await shown("set");
  await machine.ok("banger vm set set --nat", slow);
  expect(await fetched("set")).toMatchObject({ status: 0, stdout: "from outside\n" });
  const open = await connections();
  expect(open).toBeGreaterThan(0);
  await machine.ok("banger vm set set --no-nat", slow);
  expect((await fetched("set")).status).not.toBe(0);
  expect(await connections()).toBe(open);
  expect((await shown("set")).pid).toBe(pid);
}, 400_000);

test("a work disk grows while the VM is stopped, and keeps what is on it", async () => {
  const size = async () =>
    Number(
      await machine.ok("banger vm exec set -- /bin/sh -c \"df -m /root | awk 'END { print \\$2 }'\"", slow),
    );
  await machine.ok("banger vm exec set -- /bin/sh -c 'echo kept > /root/kept; sync'", slow);
  const before = await size();
  expect((await machine.run("banger vm set set --disk-size 256M", slow)).stderr).toContain("must be stopped");
  await machine.ok("banger vm stop set && banger vm set set --disk-size 256M && banger vm start set", slow);
  expect(await size()).toBeGreaterThan(before + 128);
  expect(await machine.ok("banger vm exec set -- /bin/cat /root/kept", slow)).toBe("kept\n");
  const { status, stderr } = await machine.run(
    "banger vm stop set && banger vm set set --disk-size 64M",
    slow,
  );
  expect([status, stderr]).toEqual([1, expect.stringContaining("it can grow, not shrink")]);
}, 600_000);

test("a stopped VM's disks become an image: what is in its layer over the image's, and its work disk", async () => {
  const write = "echo on the root disk > /saved; echo on the work disk > /root/saved; sync";
  await machine.ok(`banger vm start set && banger vm exec set -- /bin/sh -c '${write}'`, slow);
  expect((await machine.run("banger image save set saved", slow)).stderr).toContain("stop it first");
  await machine.ok("banger vm stop set && banger image save set saved", slow);
  const sizes = "--memory 256M --vcpu 1 --disk-size 256M";
  const said = await machine.ok(
    `banger vm run --rm --image saved ${sizes} -- /bin/cat /saved /root/saved`,
    slow,
  );
  expect(said).toBe("on the root disk\non the work disk\n");
  await settledVms(machine);
  await machine.ok("banger image delete saved", slow);
}, 900_000);

test("a root disk's layer that fills up is reported, before and after it is too late; the next start is refused", async () => {
  await machine.ok(
    `mkdir -p ~/.config/banger && printf '[vm_defaults]\\nsystem_overlay_size = "4M"\\n' >> ~/.config/banger/config.toml
banger daemon stop`,
    slow,
  );
  await settledVms(machine);
  await machine.ok(`banger vm create --name full ${small}`, slow);
  const warnings = async () => (await machine.run("banger vm list", slow)).stderr;
  const write = (file: string, bytes: number) =>
    machine.run(
      `banger vm exec full -- /bin/sh -c 'dd if=/dev/zero of=/${file} bs=4096 count=${Math.floor(bytes / 4096)}; sync'`,
      slow,
    );
  const { layer } = await shown("full");
  expect(layer.overflowed).toBe(false);
  expect(layer.usedBytes).toBeLessThan(layer.totalBytes);
  expect(await warnings()).toBe("");
  await write("most", layer.totalBytes * 0.95 - layer.usedBytes);
  expect(await warnings()).toContain("is nearly full");
  await write("too-much", layer.totalBytes);
  expect((await shown("full")).layer).toMatchObject({ overflowed: true });
  expect(await warnings()).toContain("full");
  await machine.run("banger vm stop full", slow);
  const { status, stderr } = await machine.run("banger vm start full", slow);
  expect([status, stderr]).toEqual([1, expect.stringContaining("has run full and is lost")]);
  await machine.ok("banger vm delete full set", slow);
  expect((await machine.ok("ls /var/lib/banger/vms", root)).trim()).toBe("");
  expect(await machine.ok("dmsetup ls", root)).toBe("No devices found\n");
}, 600_000);
