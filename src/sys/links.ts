/** Network interfaces, their addresses and routes, by rtnetlink(7); TAP devices by /dev/net/tun. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import {
  attribute,
  attributes,
  errnoOf,
  failWith,
  flags,
  nested,
  netlink,
  protocols,
  text,
  u8,
  u32,
} from "./netlink.ts";

const symbols = {
  banger_tap_open: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  banger_tap_keep: { args: [FFIType.i32, FFIType.u32], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

/** RTM_* of linux/rtnetlink.h. */
const messages = { newLink: 16, delLink: 17, getLink: 18, newAddr: 20, getAddr: 22, getRoute: 26 } as const;
/** IFLA_*, IFLA_INFO_*, IFLA_BRPORT_*, IFLA_BR_*, IFLA_INET6_* of linux/if_link.h. */
const link = { address: 1, name: 3, master: 10, info: 18, alias: 20, afSpec: 26, carrier: 33 } as const;
const info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const isolatedPort = 33;
const multicastSnooping = 23;
const addressGenerationMode = 8;
const noGeneratedAddress = 1;
const inet = 2;
/** RTN_UNICAST. */
const unicast = 1;
const inet6 = 10;
/** IFF_* of linux/if.h. */
const up = 0x1;
const noArp = 0x80;

export interface Link {
  index: number;
  name: string;
  /** "bridge", "tun" (TAPs too), "veth" ...; undefined for real hardware. */
  kind: string | undefined;
  alias: string | undefined;
  /** Index of the bridge that it is a port of. */
  master: number | undefined;
  mac: string;
  up: boolean;
  /** For a TAP: whether somebody has it open. */
  carrier: boolean;
  /** As a bridge's port: frames from it go to no other isolated port. */
  isolated: boolean;
}

export interface NetworkRange {
  interfaceIndex: number;
  address: string;
  prefix: number;
}

/** struct ifinfomsg. */
function linkHeader(index: number, value = 0, change = 0): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0]), u32(index), u32(value), u32(change)]);
}

export function listLinks(): Link[] {
  return netlink(
    protocols.route,
    messages.getLink,
    flags.dump,
    linkHeader(0),
    "listing network interfaces",
  ).map(parseLink);
}

export function findLink(name: string): Link | undefined {
  return listLinks().find((each) => each.name === name);
}

function parseLink(body: Buffer): Link {
  const found = attributes(body.subarray(16));
  const details = attributes(found.get(link.info) ?? Buffer.alloc(0));
  const port = attributes(details.get(info.slaveData) ?? Buffer.alloc(0));
  const string = (bytes: Buffer | undefined) => bytes?.toString("utf8").replace(/\0.*$/s, "");
  return {
    index: body.readInt32LE(4),
    name: string(found.get(link.name)) ?? "",
    kind: string(details.get(info.kind)),
    alias: string(found.get(link.alias)),
    master: found.get(link.master)?.readUInt32LE(),
    mac: (found.get(link.address)?.toString("hex").match(/../g) ?? []).join(":"),
    up: (body.readUInt32LE(8) & up) !== 0,
    carrier: found.get(link.carrier)?.[0] === 1,
    isolated: string(details.get(info.slaveKind)) === "bridge" && port.get(isolatedPort)?.[0] === 1,
  };
}

function ranges(message: number, headerBytes: number, address: number, what: string): NetworkRange[] {
  const request = Buffer.alloc(headerBytes);
  request[0] = inet;
  return netlink(protocols.route, message, flags.dump, request, what).flatMap((body) => {
    const found = attributes(body.subarray(headerBytes));
    if (message === messages.getRoute && body[7] !== unicast) return [];
    return {
      interfaceIndex: message === messages.getAddr ? body.readInt32LE(4) : (found.get(4)?.readInt32LE() ?? 0),
      address: [...(found.get(address) ?? [0, 0, 0, 0])].join("."),
      prefix: body[1] ?? 0,
    };
  });
}

/** IPv4 addresses of this host's interfaces (struct ifaddrmsg, IFA_LOCAL). */
export function listAddresses(): NetworkRange[] {
  return ranges(messages.getAddr, 8, 2, "listing addresses");
}

/** IPv4 routes to somewhere, of all tables (struct rtmsg, RTA_DST); prefix 0 is a default route. */
export function listRoutes(): NetworkRange[] {
  return ranges(messages.getRoute, 12, 1, "listing routes");
}

/** Fails with EEXIST when there is an interface of that name. It is down, and has an address of its own for life. */
export function createBridge(name: string, mac: string): void {
  const body = Buffer.concat([
    linkHeader(0),
    attribute(link.name, text(name)),
    // Given, not taken from a port: else the address changes as ports come and go, and guests remember the old one.
    attribute(link.address, Buffer.from(mac.replaceAll(":", ""), "hex")),
    nested(
      link.info,
      attribute(info.kind, Buffer.from("bridge")),
      // Without it the host asks every guest which multicast groups it is in.
      nested(info.data, attribute(multicastSnooping, u8(0))),
    ),
  ]);
  netlink(protocols.route, messages.newLink, flags.create, body, `creating the bridge ${name}`);
}

export interface LinkChange {
  up?: boolean;
  /** The kernel shall answer no ARP that comes through it. */
  withoutArp?: true;
  alias?: string;
  /** Index of a bridge. */
  master?: number;
}

export function changeLink(index: number, change: LinkChange): void {
  const arp = change.withoutArp ? noArp : 0;
  const body = [linkHeader(index, (change.up ? up : 0) | arp, (change.up === undefined ? 0 : up) | arp)];
  if (change.alias !== undefined) body.push(attribute(link.alias, Buffer.from(change.alias)));
  if (change.master !== undefined) body.push(attribute(link.master, u32(change.master)));
  netlink(protocols.route, messages.newLink, flags.change, Buffer.concat(body), "changing an interface");
}

/** The kernel shall give it no IPv6 link-local address when it comes up. A kernel without IPv6 does not anyway. */
export function withoutIpv6(index: number): void {
  const mode = attribute(addressGenerationMode, u8(noGeneratedAddress));
  const body = Buffer.concat([linkHeader(index), nested(link.afSpec, nested(inet6, mode))]);
  try {
    netlink(protocols.route, messages.newLink, flags.change, body, "switching off an interface's IPv6");
  } catch (error) {
    if (!["EAFNOSUPPORT", "EOPNOTSUPP", "EINVAL"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** The interface must be a bridge's port already. */
export function isolatePort(index: number): void {
  const data = nested(info.slaveData, attribute(isolatedPort, u8(1)));
  const body = Buffer.concat([
    linkHeader(index),
    nested(link.info, attribute(info.slaveKind, Buffer.from("bridge")), data),
  ]);
  netlink(protocols.route, messages.newLink, flags.change, body, "isolating a bridge port");
}

/** False when it is gone already. */
export function removeLink(index: number): boolean {
  try {
    netlink(protocols.route, messages.delLink, flags.change, linkHeader(index), "removing an interface");
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENODEV") return false;
    throw error;
  }
}

/** An IPv4 address with its subnet; that it is there already is success. */
export function addAddress(index: number, address: string, prefix: number): void {
  const bytes = Buffer.from(address.split(".").map(Number));
  const header = Buffer.concat([Buffer.from([inet, prefix, 0, 0]), u32(index)]);
  const body = Buffer.concat([header, attribute(2, bytes), attribute(1, bytes)]);
  try {
    netlink(protocols.route, messages.newAddr, flags.create, body, `giving an interface ${address}`);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

/** A descriptor of a TAP device as a VMM opens it; the caller closes it. `fresh` fails (EBUSY) where there is one. */
export function openTap(name: string, fresh: boolean): number {
  // SAFETY: the string ends with a NUL and lives across the call; the new descriptor is the caller's.
  const value = shim().banger_tap_open(ptr(text(name)), fresh ? 1 : 0);
  if (value < 0) failWith(-value, `opening the TAP device ${name}`);
  return value;
}

/** A new TAP device that stays, down, for a VMM of this user. It bears its alias before it can outlive this process. */
export function createTap(name: string, owner: number, alias: string): void {
  const fd = openTap(name, true);
  try {
    const index = findLink(name)?.index;
    if (index !== undefined) changeLink(index, { alias });
    // SAFETY: numbers only.
    const value = shim().banger_tap_keep(fd, owner);
    if (value < 0) failWith(-value, `keeping the TAP device ${name}`);
  } finally {
    closeSync(fd);
  }
}
