/** The way out, beside other firewalls: it works, it ends at once, and nothing of it stays behind. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  canaries,
  container,
  type Guest,
  hostUplink,
  NetLab,
  netMissing,
  place,
  withoutNft,
} from "./net-fixture.ts";
import { echo, ethernet, tcp, udp } from "./net-frames.ts";

// Namespaces and their firewalls take seconds on a host that is busy.
setDefaultTimeout(120_000);
const missing = netMissing();
if (missing !== undefined) console.warn(`network tests skipped: ${missing}`);

const forwarding = "/proc/sys/net/ipv4/ip_forward";

/** What Docker makes of the FORWARD chain, as of version 20.10. */
const docker = `
  iptables -N DOCKER; iptables -N DOCKER-USER; iptables -N DOCKER-ISOLATION-STAGE-1
  iptables -A DOCKER-USER -j RETURN; iptables -A DOCKER-ISOLATION-STAGE-1 -j RETURN
  iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
  iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  iptables -A FORWARD -o docker0 -j DOCKER
  iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
  iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
  iptables -P FORWARD DROP; echo 1 > ${forwarding}`;

/** The skeleton of ufw's rules: everything that comes in or goes through is dropped unless accepted. */
const ufw = `
  iptables -N ufw-before-input; iptables -N ufw-before-forward; iptables -N ufw-reject-forward
  iptables -A ufw-before-input -i lo -j ACCEPT
  iptables -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  iptables -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
  iptables -A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
  iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  iptables -A ufw-before-forward -p icmp --icmp-type echo-request -j ACCEPT
  iptables -A ufw-reject-forward -j REJECT
  iptables -A INPUT -j ufw-before-input; iptables -A FORWARD -j ufw-before-forward
  iptables -A FORWARD -j ufw-reject-forward
  iptables -P INPUT DROP; iptables -P FORWARD DROP`;

/** An administrator's own, of the kind that nftables(8) shows. */
const native = `nft -f - <<END
table inet filter {
  chain input { type filter hook input priority 0; policy drop; ct state established,related accept; icmp type echo-request accept
  }
  chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept
  }
}
END`;

/** iptables of the old kind, whose tables nft does not see. */
const legacy = "iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -i docker0 -j ACCEPT";

const firewalls = {
  "no other firewall": "true",
  "Docker's FORWARD policy": docker,
  "ufw's rules": ufw,
  "an nft table that drops": native,
  "legacy iptables that drop": legacy,
};

describe.skipIf(missing !== undefined)("the way out", () => {
  let lab: NetLab;
  let me: Guest;

  async function start(before = "true", rules = "true"): Promise<void> {
    lab = new NetLab(before);
    lab.start();
    lab.onHost(
      "for table in raw mangle nat filter; do iptables -t $table -S; ip6tables -t $table -S; done >/dev/null",
    );
    lab.onHost("ebtables -t nat -L >/dev/null");
    lab.onHost(rules);
  }

  async function attach(): Promise<void> {
    await lab.call("ensureBridge", place);
    me = await lab.guest("172.16.0.2");
  }

  afterEach(() => lab.stop());

  /** How many of a packet's frames reach the internet, and how many answers come back. */
  async function sent(packet: Buffer): Promise<[out: number, back: number]> {
    await lab.call("received", me.tap);
    const before = lab.arrived(lab.internet);
    const back = await lab.exchange(me, [ethernet(lab.bridgeMac, me.mac, 0x0800, packet)]);
    return [lab.arrived(lab.internet) - before, back.length];
  }
  const probe = () => sent(tcp(me.address, canaries.public, 443));
  const nat = (on: boolean) => lab.call("nat", place, me.vm, on);

  for (const [title, rules] of Object.entries(firewalls)) {
    for (const [backend, before] of [
      ["nft", "true"],
      ["iptables", withoutNft],
    ] as const) {
      // Without nft nobody drops by nft; and two kinds of iptables on one host are not told apart without it.
      if (backend === "iptables" && (rules === native || rules === legacy)) continue;
      test(`by ${backend}, beside ${title}: opened, shut at once, and gone without a trace`, async () => {
        await start(before, rules);
        const untouched = lab.snapshot();
        await attach();
        const without = lab.snapshot();
        expect(await probe()).toEqual([0, 0]);
        await nat(true);
        expect(await probe()).toEqual([1, 1]);
        expect(await sent(echo(me.address, canaries.public))).toEqual([1, 1]);
        await nat(true);
        await nat(false);
        expect(await probe()).toEqual([0, 0]);
        expect(lab.snapshot()).toBe(without);
        await nat(true);
        await lab.call("close", me.tap);
        await lab.call("remove");
        expect(lab.snapshot()).toBe(untouched);
      });
    }
  }

  test("a connection that exists ends with NAT, and goes on with it", async () => {
    await start();
    await attach();
    await nat(true);
    const datagram = () => sent(udp(me.address, canaries.public, 7777));
    expect(await datagram()).toEqual([1, 1]);
    await nat(false);
    expect(await datagram()).toEqual([0, 0]);
    await nat(true);
    expect((await datagram())[0]).toBe(1);
  });

  test("what leaves the host has the host's address, or does not leave", async () => {
    await start();
    await attach();
    await nat(true);
    lab.in(
      lab.internet,
      "nft add counter ip canary inner; nft add rule ip canary arrivals ip saddr 172.16.0.0/24 counter name inner",
    );
    expect(await probe()).toEqual([1, 1]);
    const [syn, fin, ack] = [0x02, 0x01, 0x10];
    // Connection tracking knows no such thing, so nobody translates it.
    expect(await sent(tcp(me.address, canaries.public, 443, syn | fin, 50000))).toEqual([0, 0]);
    await sent(tcp(me.address, canaries.public, 443, ack | fin, 50001));
    expect(lab.in(lab.internet, "nft list counter ip canary inner")).toContain("packets 0 ");
  });

  test("forwarding is switched on for the first VM with NAT, and off after the last", async () => {
    await start();
    await attach();
    const other = await lab.guest("172.16.0.3");
    const state = () => lab.onHost(`cat ${forwarding}`).trim();
    expect(state()).toBe("0");
    await nat(true);
    await lab.call("nat", place, other.vm, true);
    await nat(false);
    expect(state()).toBe("1");
    await lab.crash();
    lab.launch();
    await lab.call("release", place, other.vm);
    expect(state()).toBe("0");
  });

  test.each([
    ["nft", "true"],
    ["iptables", withoutNft],
  ])("by %s, forwarding that was on stays on, and so does what Docker found on", async (_, before) => {
    await start(before);
    lab.onHost(`echo 1 > ${forwarding}`);
    await attach();
    await nat(true);
    await nat(false);
    expect(lab.onHost(`cat ${forwarding}`).trim()).toBe("1");
    lab.onHost(`echo 0 > ${forwarding}`);
    await nat(true);
    lab.onHost(docker);
    await nat(false);
    expect(lab.onHost(`cat ${forwarding}`).trim()).toBe("1");
    await lab.call("ensureBridge", place);
    expect(lab.onHost("ip link show br-fc")).not.toContain("routing");
  });

  test("what a helper did not come to take back, the next one does", async () => {
    await start("true", ufw);
    await attach();
    await lab.call("close", me.tap);
    const without = lab.snapshot();
    await nat(true);
    await lab.crash();
    // As if it had ended just after it had given the TAP back.
    lab.onHost(`ip link set ${me.tap} alias banger:idle down nomaster`);
    lab.launch();
    await lab.call("ensureBridge", place);
    await lab.call("acquire", place, me.vm, me.address);
    expect(lab.snapshot()).toBe(without);
  });

  test("a firewall that came later is opened by the next start of a VM", async () => {
    await start();
    await attach();
    await nat(true);
    lab.onHost(docker);
    expect(await probe()).toEqual([0, 0]);
    await lab.call("ensureBridge", place);
    expect(await probe()).toEqual([1, 1]);
  });

  test("private networks that the administrator allows are reached, others not", async () => {
    await start();
    const open = { ...place, reachable: ["192.168.77.0/24"] };
    await lab.call("ensureBridge", open);
    me = await lab.guest("172.16.0.2", open);
    await lab.call("nat", open, me.vm, true);
    expect((await sent(tcp(me.address, canaries.lan, 443)))[0]).toBe(1);
    expect((await sent(tcp(me.address, canaries.lanTen, 443)))[0]).toBe(0);
  });

  test("nobody outside reaches a guest, with NAT or without", async () => {
    await start("true", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    await attach();
    for (const on of [false, true]) {
      await nat(on);
      await lab.exchange(me, []);
      lab.in(lab.internet, `bash -c "echo hello > /dev/udp/${me.address}/7777"`);
      lab.in(lab.docker, `bash -c "echo hello > /dev/udp/${me.address}/7777"`);
      expect(await lab.exchange(me, [])).toEqual([]);
    }
  });

  test.each([
    ["nft", "true"],
    ["iptables", withoutNft],
  ])("by %s, nothing changes for the host itself, and for its containers", async (_, before) => {
    await start(before, `echo 1 > ${forwarding}`);
    await attach();
    const say = (to: string) => `bash -c "echo hello > /dev/udp/${to}/7777"`;
    const count = () => [lab.host, lab.internet, lab.docker].map((name) => lab.arrived(name));
    lab.in(lab.internet, "ip route add 172.17.0.0/24 via 198.51.100.2");
    for (const on of [false, true]) {
      await nat(on);
      await lab.exchange(me, []);
      const [host = 0, internet = 0, docker = 0] = count();
      lab.in(lab.internet, say(hostUplink));
      lab.in(lab.docker, say("172.17.0.1"));
      lab.in(lab.docker, say(canaries.public));
      lab.in(lab.internet, say(container));
      lab.onHost(say(canaries.public));
      await lab.exchange(me, []);
      const after = count();
      // Nobody listens there: what arrives is answered, which counts at the other end.
      expect(after[0]).toBeGreaterThanOrEqual(host + 2);
      expect(after[1]).toBeGreaterThanOrEqual(internet + 2);
      expect(after[2]).toBeGreaterThanOrEqual(docker + 1);
    }
  });

  test("the host reaches a guest, and gets its answer and nothing more", async () => {
    await start();
    await attach();
    await lab.exchange(me, []);
    lab.onHost(`bash -c "echo hello > /dev/udp/${me.address}/7777"`);
    const [asked = ""] = await lab.exchange(me, []);
    const port = Buffer.from(asked, "hex").readUInt16BE(14 + 20);
    const answer = (to: number) =>
      ethernet(lab.bridgeMac, me.mac, 0x0800, udp(me.address, place.address, to, "answer", 7777));
    const before = lab.arrived(lab.host);
    await lab.exchange(me, [answer(port), answer(port === 9 ? 10 : 9)]);
    expect(lab.arrived(lab.host) - before).toBe(1);
  });

  test("a guest does not inherit the connections of the one that had its address", async () => {
    await start();
    await attach();
    await nat(true);
    expect(await sent(udp(me.address, canaries.public, 7777, "mine", 40123))).toEqual([1, 1]);
    await lab.call("close", me.tap);
    await lab.call("release", place, me.vm);
    me = await lab.guest("172.16.0.2");
    await nat(true);
    const script = `require("dgram").createSocket("udp4").bind(7777,"${canaries.public}",function(){this.send("late",40123,"${hostUplink}",()=>this.close())})`;
    Bun.spawnSync(["ip", "netns", "exec", lab.internet, process.execPath, "-e", script]);
    expect(await lab.exchange(me, [])).toEqual([]);
  });
});
