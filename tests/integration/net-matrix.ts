/** The flows that are probed from inside a guest, and what of each may arrive where. */
import { canaries, container, type Guest, hostUplink, type NetLab, place } from "./net-fixture.ts";
import { arp, echo, ethernet, icmpv6, ipv4, tagged, tcp, udp } from "./net-frames.ts";

const IPv4 = 0x0800;
const ARP = 0x0806;
const everyone = "ff:ff:ff:ff:ff:ff";
const gateway = place.address;

/** Number of frames that get to each place; absent is none. */
export interface Arrivals {
  host?: number;
  internet?: number;
  container?: number;
  other?: number;
  back?: number;
}

export interface Flow {
  name: string;
  frames(me: Guest, other: Guest, bridge: string): Buffer[];
  /** What gets through, without NAT. */
  off?: Arrivals;
  /** With NAT, when that is something else. */
  on?: Arrivals;
  /** Where neither nft nor ebtables can look at frames. */
  gap?: Arrivals;
}

/** An honest IPv4 packet to the bridge. */
const packet = (
  name: string,
  make: (me: Guest, other: Guest) => Buffer,
  off?: Arrivals,
  on?: Arrivals,
): Flow => ({
  name,
  frames: (me, other, bridge) => [ethernet(bridge, me.mac, IPv4, make(me, other))],
  off: off ?? {},
  on: on ?? off ?? {},
});
const frame = (
  name: string,
  make: (me: Guest, other: Guest, bridge: string) => Buffer,
  off: Arrivals = {},
  gap: Arrivals = off,
): Flow => ({
  name,
  frames: (me, other, bridge) => [make(me, other, bridge)],
  off,
  gap,
});

export const flows: readonly Flow[] = [
  packet("echo to the bridge", ({ address }) => echo(address, gateway), { host: 1, back: 1 }),
  packet("TCP to a service on the bridge's address", ({ address }) => tcp(address, gateway, 7777)),
  packet("TCP to ssh on the bridge's address", ({ address }) => tcp(address, gateway, 22)),
  packet("UDP to DNS on the bridge's address", ({ address }) => udp(address, gateway, 53)),
  packet("UDP to DHCP on the bridge's address", ({ address }) => udp(address, gateway, 67)),
  packet("TCP to the host's address outside", ({ address }) => tcp(address, hostUplink, 7777)),
  packet("echo to the host's address outside", ({ address }) => echo(address, hostUplink)),
  packet("TCP to a port that the host maps to a container", ({ address }) => tcp(address, hostUplink, 8080)),
  packet("TCP to the host's address on a container network", ({ address }) =>
    tcp(address, "172.17.0.1", 7777),
  ),
  packet("TCP to a container", ({ address }) => tcp(address, container, 80)),
  packet("UDP to the host's loopback", ({ address }) => udp(address, "127.0.0.1", 7777)),
  packet("TCP answer of a connection that nobody opened", ({ address }) => tcp(address, gateway, 7777, 0x12)),
  packet("UDP broadcast to everyone", ({ address }) => udp(address, "255.255.255.255", 7777)),
  packet("UDP broadcast to the subnet", ({ address }) => udp(address, "172.16.0.255", 7777)),
  packet("UDP multicast (mDNS)", ({ address }) => udp(address, "224.0.0.251", 5353)),
  packet("IGMP", ({ address }) => ipv4(address, "224.0.0.22", 2, Buffer.alloc(8, 1))),
  packet("UDP to another guest by way of the host", (me, other) => udp(me.address, other.address, 7777)),
  packet(
    "echo to the internet",
    ({ address }) => echo(address, canaries.public),
    {},
    { internet: 1, back: 1 },
  ),
  packet(
    "TCP to the internet",
    ({ address }) => tcp(address, canaries.public, 443),
    {},
    { internet: 1, back: 1 },
  ),
  packet(
    "UDP to the internet",
    ({ address }) => udp(address, canaries.public, 7777),
    {},
    { internet: 1, back: 1 },
  ),
  packet("TCP to a machine beside the host", ({ address }) => tcp(address, canaries.lan, 443)),
  packet("TCP to 10.0.0.0/8", ({ address }) => tcp(address, canaries.lanTen, 443)),
  packet("TCP to 100.64.0.0/10", ({ address }) => tcp(address, canaries.carrier, 443)),
  packet("TCP to the cloud's metadata", ({ address }) => tcp(address, canaries.metadata, 80)),
  packet(
    "DNS on a private network",
    ({ address }) => udp(address, canaries.lan, 53),
    {},
    { internet: 1, back: 1 },
  ),
  packet("a packet with another address", () => udp("172.16.0.77", canaries.public, 7777)),
  packet("a packet with another guest's address", (_, other) => udp(other.address, canaries.public, 7777)),
  packet("a packet with the bridge's address", () => udp(gateway, canaries.public, 7777)),
  packet("a packet with an address of the internet", () => udp(canaries.public, hostUplink, 7777)),
  packet("DHCP discover, from no address", () => udp("0.0.0.0", "255.255.255.255", 67)),
  frame("a frame with another MAC address", (me, _, bridge) =>
    ethernet(bridge, "02:00:00:00:00:99", IPv4, echo(me.address, gateway)),
  ),
  frame(
    "a frame with another guest's MAC address",
    (_, other, bridge) => ethernet(bridge, other.mac, IPv4, echo(other.address, gateway)),
    {},
    { host: 1, back: 1 },
  ),
  frame("a frame with the bridge's MAC address", (me, _, bridge) =>
    ethernet(bridge, bridge, IPv4, echo(me.address, gateway)),
  ),
  frame("IPv4 straight to another guest", (me, other) =>
    ethernet(other.mac, me.mac, IPv4, udp(me.address, other.address, 7777)),
  ),
  frame("a DHCP offer to everyone", (me) =>
    ethernet(everyone, me.mac, IPv4, udp(me.address, "255.255.255.255", 68, "offer", 67)),
  ),
  frame("IPv4 to everyone's MAC address", (me, other) =>
    ethernet(everyone, me.mac, IPv4, udp(me.address, other.address, 7777)),
  ),
  frame("a router advertisement", (me) => ethernet("33:33:00:00:00:01", me.mac, 0x86dd, icmpv6(134))),
  frame("IPv6 to the host", (me, _, bridge) => ethernet(bridge, me.mac, 0x86dd, icmpv6(128))),
  frame("IPv6 neighbour discovery to everyone", (me) =>
    ethernet(everyone, me.mac, 0x86dd, icmpv6(135, Buffer.alloc(20))),
  ),
  frame(
    "ARP for the bridge",
    (me) =>
      ethernet(
        everyone,
        me.mac,
        ARP,
        arp({ operation: "request", senderMac: me.mac, sender: me.address, target: gateway }),
      ),
    { back: 1 },
  ),
  frame(
    "ARP for another address of the host",
    (me) =>
      ethernet(
        everyone,
        me.mac,
        ARP,
        arp({ operation: "request", senderMac: me.mac, sender: me.address, target: hostUplink }),
      ),
    {},
    { back: 1 },
  ),
  frame("ARP for another guest", (me, other) =>
    ethernet(
      everyone,
      me.mac,
      ARP,
      arp({ operation: "request", senderMac: me.mac, sender: me.address, target: other.address }),
    ),
  ),
  frame("ARP that claims the bridge's address", (me) =>
    ethernet(
      everyone,
      me.mac,
      ARP,
      arp({ operation: "reply", senderMac: me.mac, sender: gateway, target: gateway }),
    ),
  ),
  frame(
    "ARP that claims another guest's address",
    (me, other, bridge) =>
      ethernet(
        bridge,
        me.mac,
        ARP,
        arp({ operation: "request", senderMac: me.mac, sender: other.address, target: gateway }),
      ),
    {},
    { back: 1 },
  ),
  frame(
    "ARP that gives another MAC address",
    (me, _, bridge) =>
      ethernet(
        bridge,
        me.mac,
        ARP,
        arp({ operation: "request", senderMac: "02:00:00:00:00:99", sender: me.address, target: gateway }),
      ),
    {},
    { back: 1, other: 1 },
  ),
  frame("a frame in a VLAN", (me, _, bridge) =>
    tagged(ethernet(bridge, me.mac, IPv4, echo(me.address, gateway)), 5),
  ),
  frame("a frame in VLAN 0, which is none", (me, _, bridge) =>
    tagged(ethernet(bridge, me.mac, IPv4, tcp(me.address, gateway, 7777)), 0),
  ),
  frame("IPv4 to the port itself, by a link-local MAC address", (me) =>
    ethernet("01:80:c2:00:00:0e", me.mac, IPv4, udp(me.address, gateway, 7777)),
  ),
  frame("ARP to the port itself, by a link-local MAC address", (me) =>
    ethernet(
      "01:80:c2:00:00:03",
      me.mac,
      ARP,
      arp({ operation: "request", senderMac: me.mac, sender: me.address, target: gateway }),
    ),
  ),
  frame("a spanning tree frame", (me) =>
    ethernet("01:80:c2:00:00:00", me.mac, 0x0026, Buffer.alloc(38, 0x42)),
  ),
  frame("PPPoE", (me, _, bridge) => ethernet(bridge, me.mac, 0x8864, Buffer.alloc(40, 1))),
];

/** Sends the flow's frames, and says where how many of them arrived. */
export async function arrivals(lab: NetLab, flow: Flow, me: Guest, other: Guest): Promise<Arrivals> {
  const count = () => [lab.host, lab.internet, lab.docker].map((name) => lab.arrived(name));
  for (const { tap } of [me, other]) await lab.call("received", tap);
  const before = count();
  const back = await lab.exchange(me, flow.frames(me, other, lab.bridgeMac));
  const after = count();
  const [host = 0, internet = 0, docker = 0] = after.map((value, at) => value - (before[at] ?? 0));
  const atOther = await lab.call<string[]>("received", other.tap);
  const seen = { host, internet, container: docker, other: atOther.length, back: back.length };
  return Object.fromEntries(Object.entries(seen).filter(([, value]) => value > 0));
}

/**
 * A host on which nothing protects itself: it forwards, accepts everything, publishes a container's port, and routes
 * even its loopback network. Two guests; the other one has NAT.
 */
export async function exposedHost(lab: NetLab): Promise<{ me: Guest; other: Guest }> {
  lab.start();
  lab.onHost("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1");
  lab.onHost(
    `iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to-destination ${container}:80`,
  );
  await lab.call("ensureBridge", place);
  const me = await lab.guest("172.16.0.2");
  const other = await lab.guest("172.16.0.3");
  await lab.call("nat", place, other.vm, true);
  return { me, other };
}
