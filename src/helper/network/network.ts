/** What the network operations share: the configured network, and what of it is in the kernel. */
import { BangerError } from "../../base/base.ts";
import type { RootConfig } from "../../config/config.ts";
import {
  type Attachment,
  type BridgeMarks,
  bridgeMarks,
  type Network,
  parseTapAlias,
} from "../../net/net.ts";
import { type Link, listLinks } from "../../sys/sys.ts";

export interface NetworkPlace extends Network {
  /** User id of the owner, who may open the TAPs. */
  owner: number;
}

export function networkPlace(config: Readonly<RootConfig>, owner: number): NetworkPlace {
  return {
    bridge: config.bridge_name,
    address: config.bridge_ip,
    prefix: config.cidr,
    tapPoolSize: config.tap_pool_size,
    reachable: config.nat_private_networks,
    owner,
  };
}

export type Bridge = Link & BridgeMarks;

export interface KernelNetwork {
  bridge: Bridge | undefined;
  /** Somebody else's interface that has the configured bridge's name. */
  foreign: Link | undefined;
  /** Bridges of banger's with another name: the configuration was another one. */
  strays: Bridge[];
  attached: { link: Link; attachment: Attachment }[];
  idle: Link[];
  /** Names of interfaces that are there, whoever's. */
  names: ReadonlySet<string>;
}

const bridgeName = /^br-fc(-|$)/;

/** Everything of banger's among the interfaces. Without a configuration, all of banger's bridges are strays. */
export function readNetwork(place: { bridge?: string }): KernelNetwork {
  const links = listLinks();
  const found: KernelNetwork = {
    bridge: undefined,
    foreign: undefined,
    strays: [],
    attached: [],
    idle: [],
    names: new Set(links.map(({ name }) => name)),
  };
  for (const link of links) {
    const marks = link.kind === "bridge" ? bridgeMarks(link) : undefined;
    if (link.name === place.bridge) {
      if (marks === undefined) found.foreign = link;
      else found.bridge = { ...link, ...marks };
    } else if (marks !== undefined && bridgeName.test(link.name)) found.strays.push({ ...link, ...marks });
    const tap = link.kind === "tun" ? parseTapAlias(link.name, link.alias) : undefined;
    if (tap === "idle") found.idle.push(link);
    else if (tap !== undefined) found.attached.push({ link, attachment: tap });
  }
  return found;
}

/** Only who needs a bridge of that name has to care: what is there of VMs can be taken away all the same. */
export function refuseForeign({ foreign }: KernelNetwork): void {
  if (foreign === undefined) return;
  throw new BangerError("already_exists", `there is an interface ${foreign.name} that is not banger's`, {
    hint: "set another bridge_name in /etc/banger/config.toml, or remove the interface if nothing uses it",
  });
}

export function attachmentsOf(network: KernelNetwork): Attachment[] {
  return network.attached.map(({ attachment }) => attachment);
}

export function requireBridge(network: KernelNetwork, name: string): Bridge {
  if (network.bridge !== undefined) return network.bridge;
  refuseForeign(network);
  throw new BangerError("precondition", `the bridge ${name} is not there`, {
    hint: "sudo banger system restart",
  });
}

let last: Promise<unknown> = Promise.resolve();

/** One change of the network at a time: each reads what is there, and decides by it. */
export function serially<T>(change: () => Promise<T>): Promise<T> {
  const result = last.then(change, change);
  last = result.catch(() => undefined);
  return result;
}
