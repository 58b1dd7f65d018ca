/** The life of bridge and TAPs: made once, kept, shared out, given back, and never somebody else's. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { newVmId } from "../../src/base/ids.ts";
import type { Link } from "../../src/sys/sys.ts";
import { NetLab, netMissing, place, withoutNumbers } from "./net-fixture.ts";

// Namespaces and their firewalls take seconds on a host that is busy.
setDefaultTimeout(120_000);
const missing = netMissing();
if (missing !== undefined) console.warn(`network tests skipped: ${missing}`);

interface Seen {
  bridge?: Link;
  attached: { link: Link; attachment: { vm: string; tap: string; nat: boolean } }[];
  idle: Link[];
}

describe.skipIf(missing !== undefined)("bridge and TAPs", () => {
  let lab: NetLab;
  beforeEach(() => {
    lab = new NetLab();
    lab.start();
  });
  afterEach(() => lab.stop());

  const seen = () => lab.call<Seen>("network", place);
  const ensure = (change = {}) => lab.call("ensureBridge", { ...place, ...change });
  const acquire = (vm: string, address: string, change = {}) =>
    lab.call<{ tap: string; nat?: boolean }>("acquire", { ...place, ...change }, vm, address);
  const release = (vm: string, change = {}) => lab.call("release", { ...place, ...change }, vm);

  test("every operation bears repetition, and none starts a process", async () => {
    const vm = newVmId();
    for (let round = 0; round < 2; round += 1) {
      expect(await ensure()).toEqual({ name: "br-fc", address: "172.16.0.1", prefix: 24 });
      expect(await acquire(vm, "172.16.0.2")).toMatchObject({ tap: "tap-pool-0" });
      await lab.call("nat", place, vm, true);
    }
    const { attached, idle } = await seen();
    expect(attached.map(({ attachment }) => [attachment.vm, attachment.tap, attachment.nat])).toEqual([
      [vm, "tap-pool-0", true],
    ]);
    expect(idle.map(({ name }) => name)).toEqual(["tap-pool-1", "tap-pool-2"]);
    for (let round = 0; round < 2; round += 1) {
      await lab.call("nat", place, vm, false);
      await release(vm);
    }
    expect((await seen()).attached).toEqual([]);
    for (let round = 0; round < 2; round += 1) await lab.call("remove");
    expect((await lab.call<Link[]>("links")).map(({ name }) => name)).toEqual(["lo", "up0", "docker0"]);
    expect(await lab.call<number>("spawned")).toBe(0);
  });

  test("a VM's TAP is an isolated port of the bridge, up, without IPv6; idle ones are down and nowhere", async () => {
    lab.onHost("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0");
    await ensure();
    const vm = newVmId();
    const { tap } = await acquire(vm, "172.16.0.2");
    const { bridge, attached, idle } = await seen();
    expect(attached[0]?.link).toMatchObject({ isolated: true, up: true, master: bridge?.index });
    for (const each of idle) expect(each).toMatchObject({ up: false, alias: "banger:idle" });
    for (const each of idle) expect(each.master).toBeUndefined();
    expect(lab.onHost(`bridge -d link show dev ${tap}`)).toContain("isolated on");
    await lab.call("open", tap);
    await Bun.sleep(100);
    expect(lab.onHost(`ip -6 addr show dev br-fc; ip -6 addr show dev ${tap}`)).toBe("");
  });

  test("a TAP is its owner's to open", async () => {
    await ensure({ owner: 1000 });
    expect(lab.onHost("ip -d link show tap-pool-0")).toMatch(/vnet_hdr on persist on user (1000|[a-z]+)/);
  });

  test("twenty VMs at once get twenty TAPs, and give them back", async () => {
    await ensure();
    const vms = Array.from({ length: 20 }, () => newVmId());
    const taps = await Promise.all(vms.map((vm, at) => acquire(vm, `172.16.0.${at + 2}`)));
    expect(new Set(taps.map(({ tap }) => tap)).size).toBe(20);
    await Promise.all(vms.map((vm) => release(vm)));
    const { attached, idle } = await seen();
    expect({ attached: attached.length, idle: idle.length }).toEqual({ attached: 0, idle: 2 });
    expect(lab.onHost("nft list set bridge banger pins; nft list set inet banger taps")).not.toContain(
      "tap-pool",
    );
  });

  test("a pool of none keeps none", async () => {
    const none = { tapPoolSize: 0 };
    await ensure(none);
    const vm = newVmId();
    expect(await acquire(vm, "172.16.0.2", none)).toMatchObject({ tap: "tap-pool-0" });
    await release(vm, none);
    expect(await seen()).toMatchObject({ attached: [], idle: [] });
  });

  test("a TAP that somebody still has open goes to nobody else", async () => {
    await ensure();
    const first = await lab.guest("172.16.0.2");
    const index = (await seen()).attached[0]?.link.index;
    await release(first.vm);
    // Another device, though it may have the name.
    expect((await seen()).idle.map((link) => link.index)).not.toContain(index);
    await lab.call("open", "tap-pool-1");
    expect(await acquire(newVmId(), "172.16.0.3")).not.toMatchObject({ tap: "tap-pool-1" });
  });

  test("the pool's TAPs are as new: no VM has had one", async () => {
    await ensure();
    const before = lab.snapshot();
    const vm = newVmId();
    await acquire(vm, "172.16.0.2");
    await release(vm);
    expect(withoutNumbers(lab.snapshot())).toBe(withoutNumbers(before));
  });

  test("addresses that are not the VM's are refused, and nothing is made", async () => {
    await ensure();
    const vm = newVmId();
    await acquire(vm, "172.16.0.2");
    const before = await seen();
    const refused = async (of: string, address: string, mac?: string) =>
      await lab.call("acquire", place, of, address, ...(mac ? [mac] : [])).catch((error) => error.message);
    expect(await refused(newVmId(), "172.16.0.2")).toBe("another VM has the address 172.16.0.2");
    expect(await refused(vm, "172.16.0.3")).toBe("the VM is attached with 172.16.0.2");
    expect(await refused(newVmId(), "172.16.0.1")).toContain("bridge's own");
    expect(await refused(newVmId(), "10.0.0.7")).toContain("not in the bridge's subnet");
    expect(await refused(newVmId(), "172.16.0.4", "06:62:61:6e:67:72")).toContain("not the MAC address");
    expect(await seen()).toEqual(before);
  });

  test("nothing is attached to a bridge that is not there", async () => {
    const error = await acquire(newVmId(), "172.16.0.2").catch(({ code, message }) => ({ code, message }));
    expect(error).toEqual({ code: "precondition", message: "the bridge br-fc is not there" });
  });

  test.each([
    ["a bridge", "ip link add br-fc type bridge; ip link set br-fc up"],
    ["a bridge with another alias", "ip link add br-fc type bridge; ip link set br-fc alias libvirt"],
    ["a veth", "ip link add br-fc type veth peer name other; ip link set br-fc alias banger"],
  ])("%s of somebody else's with the bridge's name is refused, and not touched", async (_, command) => {
    lab.onHost(command);
    const before = lab.snapshot();
    const error = await ensure().catch(({ code, message }) => ({ code, message }));
    expect(error).toEqual({
      code: "already_exists",
      message: "there is an interface br-fc that is not banger's",
    });
    await lab.call("remove").catch(() => undefined);
    expect(lab.snapshot()).toBe(before);
  });

  test("what a VM has goes away when the bridge has been replaced by somebody else's", async () => {
    await ensure();
    const vm = newVmId();
    const { tap } = await acquire(vm, "172.16.0.2");
    lab.onHost("ip link del br-fc; ip link add br-fc type bridge");
    await release(vm);
    expect(lab.onHost("ip -o link")).not.toContain(`alias banger:${vm}`);
    expect(lab.onHost("ip -o link")).toContain("br-fc");
    expect((await acquire(newVmId(), "172.16.0.3").catch(({ message }) => message)) as string).toContain(
      "not banger's",
    );
    await release(vm);
    expect(tap).toStartWith("tap-pool-");
  });

  test("somebody else's TAP of the pool's name is passed over, and not touched", async () => {
    lab.onHost("ip tuntap add tap-pool-0 mode tap; ip link set tap-pool-0 alias mine");
    const before = lab.snapshot();
    await ensure();
    expect(await acquire(newVmId(), "172.16.0.2")).toMatchObject({ tap: "tap-pool-1" });
    await lab.call("remove");
    expect(lab.snapshot()).toBe(before);
  });

  test.each([
    ["another interface's address", "ip addr add 172.16.0.9/16 dev docker0", "docker0 has 172.16.0.0/16"],
    ["a part of the subnet", "ip addr add 172.16.0.200/30 dev docker0", "docker0 has 172.16.0.200/30"],
    ["a route", "ip route add 172.16.0.0/12 via 198.51.100.1", "up0 has 172.16.0.0/12"],
  ])("a subnet in use by %s is refused", async (_, command, used) => {
    lab.onHost(command);
    const before = lab.snapshot();
    const error = await ensure().catch(({ code, message }) => ({ code, message }));
    expect(error).toEqual({
      code: "already_exists",
      message: `the subnet 172.16.0.0/24 is in use: ${used}`,
    });
    expect(lab.snapshot()).toBe(before);
  });

  test("a VPN that has all of the internet is no reason to refuse", async () => {
    lab.onHost("ip route add 128.0.0.0/1 via 198.51.100.1; ip route add 0.0.0.0/1 via 198.51.100.1");
    await ensure();
  });

  test("a bridge left by an earlier banger is adopted, and one that was only half made", async () => {
    lab.onHost("ip link add br-fc type bridge; ip link set br-fc alias banger");
    await ensure();
    expect((await seen()).bridge).toMatchObject({ up: true });
    await lab.call("remove");
    lab.onHost("ip link add br-fc address 06:62:61:6e:67:72 type bridge");
    await ensure();
    expect((await seen()).bridge).toMatchObject({ up: true, alias: "banger" });
  });

  test("another subnet is taken when no VM is attached, and refused while one is", async () => {
    await ensure();
    const vm = newVmId();
    await acquire(vm, "172.16.0.2");
    const error = await ensure({ address: "10.9.0.1" }).catch(({ message }) => message);
    expect(error).toBe("the bridge br-fc is not the one that is configured now");
    await release(vm);
    await ensure({ address: "10.213.0.1" });
    expect(lab.onHost("ip -o -4 addr show br-fc")).toMatch(/^[^\n]*inet 10\.213\.0\.1\/24[^\n]*\n$/);
    await ensure({ bridge: "br-fc-two" });
    expect(lab.onHost("ip -o link show type bridge")).toMatch(/^\d+: br-fc-two:[^\n]*\n$/);
  });

  test("after a helper's death the next one goes on where it was", async () => {
    await ensure();
    const vm = newVmId();
    const { tap } = await acquire(vm, "172.16.0.2");
    await lab.call("nat", place, vm, true);
    await ensure();
    const before = lab.snapshot();
    await lab.crash();
    lab.launch();
    await ensure();
    expect(await acquire(vm, "172.16.0.2")).toEqual({ tap, nat: true });
    expect(lab.snapshot()).toBe(before);
    await release(vm);
    expect(lab.snapshot()).toContain("ip_forward 0");
  });

  test("a helper that is killed at any moment leaves nothing that the next one does not put right", async () => {
    await ensure();
    const before = lab.snapshot();
    for (let round = 0; round < 30; round += 1) {
      const vm = newVmId();
      const life = async () => {
        await ensure();
        await acquire(vm, "172.16.0.2");
        await lab.call("nat", place, vm, true);
        await release(vm);
      };
      // Answers that were being waited for never come.
      void life();
      await lab.call("links");
      await Bun.sleep(round * 1.5);
      await lab.crash();
      lab.launch();
      await ensure();
      for (const { attachment } of (await seen()).attached) await release(attachment.vm);
      expect({ round, left: withoutNumbers(lab.snapshot()) }).toEqual({
        round,
        left: withoutNumbers(before),
      });
    }
  });

  test("what a TAP that its owner has removed was pinned to does not pass to the next of its name", async () => {
    await ensure();
    const gone = await acquire(newVmId(), "172.16.0.2");
    lab.onHost(`ip link delete ${gone.tap}; ip link delete tap-pool-1`);
    const next = await acquire(newVmId(), "172.16.0.3");
    expect(next.tap).toBe(gone.tap);
    const pins = lab.onHost("nft list set bridge banger pins");
    expect(pins).toContain("172.16.0.3");
    expect(pins).not.toContain("172.16.0.2");
  });

  test("rules that somebody flushed come back with the next operation", async () => {
    await ensure();
    const guest = await lab.guest("172.16.0.2");
    await lab.call("nat", place, guest.vm, true);
    const rules = () => lab.onHost("nft -s list table inet banger; nft -s list table bridge banger");
    const before = rules();
    for (const operation of [() => ensure(), () => lab.call("nat", place, guest.vm, true)]) {
      lab.onHost("nft delete table inet banger; nft delete table bridge banger");
      await operation();
      expect(rules()).toBe(before);
    }
  });
});
