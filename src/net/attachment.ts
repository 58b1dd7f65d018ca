/**
 * A VM's place in the network, and how the kernel's objects carry it: everything that the helper must know of an
 * attached VM is in its TAP's alias, so that no file can contradict the kernel, and a crash loses nothing.
 */
import { z } from "zod";
import { VmId } from "../base/ids.ts";

/** What the administrator configured. */
export interface Network {
  bridge: string;
  address: string;
  prefix: number;
  /** Idle TAPs that are kept ready. */
  tapPoolSize: number;
  /** Private networks beside the subnet that guests with NAT may reach all the same. */
  reachable: readonly string[];
}

export interface Attachment {
  vm: VmId;
  tap: string;
  address: string;
  mac: string;
  nat: boolean;
}

/** Locally administered, and the same for a VM's whole life. */
export function macOf(vm: VmId): string {
  return `02:${vm.replaceAll("-", "").slice(0, 10).match(/../g)?.join(":")}`;
}

/** Of another kind than guests' addresses, so that none of them can have it. */
export const bridgeMac = "06:62:61:6e:67:72";

export function tapName(index: number): string {
  return `tap-pool-${index}`;
}

export const idleAlias = "banger:idle";

const Carried = z.tuple([
  VmId,
  z.ipv4(),
  z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
  z.enum(["nat", "no-nat"]),
]);

export function tapAlias({ vm, address, mac, nat }: Omit<Attachment, "tap">): string {
  return `banger:${vm} ${address} ${mac} ${nat ? "nat" : "no-nat"}`;
}

/** "idle" for one of banger's that no VM has; undefined for a TAP that is not banger's. */
export function parseTapAlias(tap: string, alias: string | undefined): Attachment | "idle" | undefined {
  if (!/^tap-pool-[0-9]+$/.test(tap) || alias === undefined) return undefined;
  if (alias === idleAlias) return "idle";
  const found = Carried.safeParse(alias.replace(/^banger:/, "").split(" "));
  if (!alias.startsWith("banger:") || !found.success) return undefined;
  const [vm, address, mac, nat] = found.data;
  return { vm, tap, address, mac, nat: nat === "nat" };
}

/** What was done to the host for guests with NAT, and is to be taken back after the last. */
export interface BridgeMarks {
  /** Other firewalls were opened. */
  egress: boolean;
  /** The host's forwarding was switched on. */
  routing: boolean;
}

export function bridgeAlias({ egress, routing }: BridgeMarks): string {
  return `banger${egress ? " egress" : ""}${routing ? " routing" : ""}`;
}

/** Undefined for a bridge that is not banger's, as the kernel shows it. */
export function bridgeMarks(link: {
  alias: string | undefined;
  mac: string;
  up: boolean;
}): BridgeMarks | undefined {
  // Made by a helper that ended before it could say whose it is: nobody else's bridge has this address.
  const halfMade = link.alias === undefined && link.mac === bridgeMac && !link.up;
  return halfMade ? { egress: false, routing: false } : parseBridgeAlias(link.alias);
}

/** Undefined for a bridge that is not banger's. */
export function parseBridgeAlias(alias: string | undefined): BridgeMarks | undefined {
  const found = /^banger( egress)?( routing)?$/.exec(alias ?? "");
  return found === null ? undefined : { egress: found[1] !== undefined, routing: found[2] !== undefined };
}
