/** Addresses of the bridge's subnet: which a guest may have, and which the next guest gets. */
import { BangerError } from "../base/base.ts";

interface Place {
  /** The bridge's own address. */
  address: string;
  prefix: number;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function bounds({ address, prefix }: Place): { first: number; last: number } {
  const size = 2 ** (32 - prefix);
  const first = Math.floor(toNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

/** The subnet's own notation: its first address and its prefix. */
export function subnetOf(place: Place): string {
  return `${toAddress(bounds(place).first)}/${place.prefix}`;
}

/** Routes wider than this are ways out (VPNs split the default route in two), and no networks. */
const widestNetwork = 8;

/** The first of a host's addresses and routes that has part of the subnet. */
export function findOverlap<R extends Place>(
  place: Place,
  { addresses, routes }: { addresses: readonly R[]; routes: readonly R[] },
): R | undefined {
  return [...addresses, ...routes.filter(({ prefix }) => prefix >= widestNetwork)].find((used) => {
    const prefix = Math.min(used.prefix, place.prefix);
    return subnetOf({ ...used, prefix }) === subnetOf({ address: place.address, prefix });
  });
}

/** Why no guest can have this address; undefined for one that a guest may have. */
export function guestAddressProblem(place: Place, address: string): string | undefined {
  const { first, last } = bounds(place);
  const value = toNumber(address);
  if (value < first || value > last) return `${address} is not in the bridge's subnet ${subnetOf(place)}`;
  if (value === toNumber(place.address)) return `${address} is the bridge's own address`;
  // A subnet of two addresses has neither (RFC 3021).
  if (place.prefix < 31 && value === first) return `${address} names the whole subnet`;
  if (place.prefix < 31 && value === last) return `${address} is the subnet's broadcast address`;
  return undefined;
}

/** The lowest address that is free, so that the same VMs get the same addresses. */
export function allocateAddress(place: Place, taken: Iterable<string>): string {
  const { first, last } = bounds(place);
  const free = isFree(place, taken);
  for (let value = first; value <= last; value += 1) if (free(value)) return toAddress(value);
  throw new BangerError("precondition", `the subnet ${subnetOf(place)} has no free address`, {
    hint: "delete VMs that are no longer needed, or give the bridge a larger subnet in /etc/banger/config.toml",
  });
}

/** The highest address that is free, which a VM gets last of all; undefined when it is the only one. */
export function lastFreeAddress(place: Place, taken: Iterable<string>): string | undefined {
  const { first, last } = bounds(place);
  const free = isFree(place, taken);
  for (let value = last, found: number | undefined; value >= first; value -= 1) {
    if (!free(value)) continue;
    if (found !== undefined) return toAddress(found);
    found = value;
  }
  return undefined;
}

function isFree(place: Place, taken: Iterable<string>): (value: number) => boolean {
  const used = new Set(taken);
  return (value) => {
    const address = toAddress(value);
    return !used.has(address) && guestAddressProblem(place, address) === undefined;
  };
}
