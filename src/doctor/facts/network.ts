/** The host's network as far as it concerns banger's bridge: whose it is, who has its subnet, what forwards, what refuses to. */
import { readFile } from "node:fs/promises";
import {
  type BaseChain,
  bridgeMarks,
  findOverlap,
  gatesOf,
  parseChains,
  ruleHandles,
  subnetOf,
} from "../../net/net.ts";
import { type Link, listAddresses, listLinks, listNft, listRoutes } from "../../sys/sys.ts";
import type { Place } from "../place.ts";
import { lookAtTrusted } from "./services.ts";

export interface NetworkFacts {
  bridge: string;
  subnet: string;
  /** What there is under the bridge's name. */
  found: "nothing" | "banger's" | "somebody else's";
  up: boolean;
  /** Another interface that has part of the subnet. */
  overlap: { interface: string; subnet: string } | undefined;
  /** Interfaces of Docker, libvirt and their kind, which bring firewalls. */
  neighbours: readonly string[];
  /** net.ipv4.ip_forward. */
  forwards: boolean;
  /** Chains of others that refuse what is forwarded: do they let banger's bridge through? Undefined: not for this user to see. */
  gates: { chain: string; open: boolean }[] | undefined;
}

export async function lookAtNetwork({ uid }: Place): Promise<NetworkFacts> {
  const { config } = await lookAtTrusted();
  const place = { address: config.bridge_ip, prefix: config.cidr };
  const links = listLinks();
  const own = links.find(({ name }) => name === config.bridge_name);
  const others = <R extends { interfaceIndex: number }>(ranges: R[]) =>
    ranges.filter(({ interfaceIndex }) => interfaceIndex !== own?.index);
  const overlap = findOverlap(place, { addresses: others(listAddresses()), routes: others(listRoutes()) });
  const forwards = await readFile("/proc/sys/net/ipv4/ip_forward", "utf8");
  return {
    ...{ bridge: config.bridge_name, subnet: subnetOf(place), found: whose(own), up: own?.up ?? false },
    overlap:
      overlap === undefined
        ? undefined
        : {
            interface: links.find(({ index }) => index === overlap.interfaceIndex)?.name ?? "a route",
            subnet: subnetOf(overlap),
          },
    neighbours: links
      .map(({ name }) => name)
      .filter((name) => /^(docker|br-[0-9a-f]{12}$|virbr|lxdbr|incusbr)/.test(name)),
    forwards: forwards.trim() !== "0",
    gates: uid === 0 ? await lookAtGates() : undefined,
  };
}

function whose(link: Link | undefined): NetworkFacts["found"] {
  if (link === undefined) return "nothing";
  return link.kind === "bridge" && bridgeMarks(link) !== undefined ? "banger's" : "somebody else's";
}

async function lookAtGates(): Promise<NetworkFacts["gates"]> {
  const gates = gatesOf(parseChains((await listNft("list chains")) ?? []));
  return Promise.all(
    gates.map(async (gate: BaseChain) => {
      const chain = `${gate.family} ${gate.table} ${gate.name}`;
      return { chain, open: ruleHandles((await listNft(`list chain ${chain}`)) ?? []).length > 0 };
    }),
  );
}
