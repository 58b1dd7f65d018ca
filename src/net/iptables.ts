/**
 * The same firewall for hosts without nft: scripts for iptables-restore(8) --noflush, one transaction per table. All of
 * it is in chains BANGER-*, and in one jump to each. ebtables pins what comes through a TAP, where it is installed.
 */
import { subnetOf } from "./addresses.ts";
import type { Attachment, Network } from "./attachment.ts";
import { echoesPerSecond, privateNetworks } from "./destinations.ts";

type Table = "raw" | "mangle" | "nat" | "filter";

/** Built-in chains, and the chain of banger's that each jumps to first. */
const jumps: readonly { table: Table; from: string; to: string }[] = [
  { table: "raw", from: "PREROUTING", to: "BANGER-PIN" },
  { table: "mangle", from: "PREROUTING", to: "BANGER-GUEST" },
  { table: "filter", from: "INPUT", to: "BANGER-INPUT" },
  { table: "filter", from: "FORWARD", to: "BANGER-FORWARD" },
  { table: "nat", from: "POSTROUTING", to: "BANGER-NAT" },
];

const reply = "-m conntrack --ctdir REPLY --ctstate ESTABLISHED,RELATED";
const named = (vm: string) => `-m comment --comment ${vm}`;

type Chains = Record<string, readonly string[]>;

function script(table: Table, chains: Chains, present: string): string {
  const missing = jumps.filter(
    (jump) => jump.table === table && jump.to in chains && !hasJump(present, jump),
  );
  return [
    `*${table}`,
    ...Object.keys(chains).map((name) => `:${name} - [0:0]`),
    ...Object.entries(chains).flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
    ...missing.map(({ from, to }) => `-I ${from} 1 -j ${to}`),
    "COMMIT",
    "",
  ].join("\n");
}

/** `present` is what iptables-save printed: jumps that are there are not made again. */
export function iptablesPlan(network: Network, attachments: readonly Attachment[], present: string): string {
  const { bridge, address, reachable } = network;
  const subnet = subnetOf(network);
  const withNat = attachments.filter(({ nat }) => nat);
  const outbound: Chains = {
    "BANGER-OUTBOUND": [
      // A goto: what returns from there does not meet the DROP behind it.
      ...withNat.map(({ vm, address: from }) => `-s ${from}/32 ${named(vm)} -g BANGER-EGRESS`),
      "-j DROP",
    ],
    "BANGER-EGRESS": [
      `-d ${subnet} -j DROP`,
      ...reachable.map((range) => `-d ${range} -j RETURN`),
      "-p udp -m udp --dport 53 -j RETURN",
      "-p tcp -m tcp --dport 53 -j RETURN",
      ...privateNetworks.map((range) => `-d ${range} -j DROP`),
    ],
  };
  return [
    script(
      "raw",
      {
        "BANGER-PIN": [
          ...attachments.map(({ tap, vm }) => `-i ${tap} ${named(vm)} -j DROP`),
          `! -i ${bridge} -j RETURN`,
          ...attachments.map(
            ({ vm, address: from, mac }) => `-s ${from}/32 -m mac --mac-source ${mac} ${named(vm)} -j RETURN`,
          ),
          "-j DROP",
        ],
      },
      present,
    ),
    script(
      "mangle",
      {
        "BANGER-GUEST": [
          `! -i ${bridge} -j RETURN`,
          "-m conntrack --ctstate INVALID -j DROP",
          `${reply} -j RETURN`,
          `-d ${address}/32 -p icmp -m icmp --icmp-type 8 -m limit --limit ${echoesPerSecond}/sec -j RETURN`,
          "-m addrtype ! --dst-type UNICAST -j DROP",
          "-j BANGER-OUTBOUND",
        ],
        ...outbound,
      },
      present,
    ),
    script(
      "filter",
      {
        "BANGER-INPUT": [
          `! -i ${bridge} -j RETURN`,
          `${reply} -j RETURN`,
          `-d ${address}/32 -p icmp -m icmp --icmp-type 8 -j RETURN`,
          "-j DROP",
        ],
        "BANGER-FORWARD": [
          `-i ${bridge} -o ${bridge} -j DROP`,
          `-i ${bridge} -j BANGER-OUTBOUND`,
          `-i ${bridge} -j ACCEPT`,
          ...withNat.map(({ vm, address: to }) => `-d ${to}/32 -o ${bridge} ${reply} ${named(vm)} -j ACCEPT`),
          `-o ${bridge} -j DROP`,
        ],
        ...outbound,
      },
      present,
    ),
    script(
      "nat",
      {
        "BANGER-NAT": withNat.map(
          ({ vm, address: from }) => `-s ${from}/32 ! -o ${bridge} ${named(vm)} -j MASQUERADE`,
        ),
      },
      present,
    ),
  ].join("");
}

/** Guests have no IPv6: nothing of it comes in, also where a bridge's ports cannot be filtered. */
export function ip6tablesPlan(
  { bridge }: Network,
  attachments: readonly Attachment[],
  present: string,
): string {
  const rules = [bridge, ...attachments.map(({ tap }) => tap)].map((name) => `-i ${name} -j DROP`);
  return script("raw", { "BANGER-PIN": rules }, present);
}

/** What iptables-save printed is searched for chains of banger's: only what is there can be removed. */
export function iptablesRemoval(present: string): string {
  const tables = ["raw", "mangle", "filter", "nat"] as const;
  return tables
    .map((table) => {
      const section = sectionOf(present, table);
      const chains = [...section.matchAll(/^:(BANGER-[A-Z]+) /gm)].map(([, name]) => name ?? "");
      if (chains.length === 0) return "";
      const used = jumps.filter((jump) => jump.table === table && hasJump(present, jump));
      return [
        `*${table}`,
        ...used.map(({ from, to }) => `-D ${from} -j ${to}`),
        ...chains.map((name) => `-F ${name}`),
        ...chains.map((name) => `-X ${name}`),
        "COMMIT",
        "",
      ].join("\n");
    })
    .join("");
}

function sectionOf(saved: string, table: string): string {
  return new RegExp(`^\\*${table}\\n(.*?)^COMMIT`, "ms").exec(saved)?.[1] ?? "";
}

function hasJump(saved: string, { table, from, to }: (typeof jumps)[number]): boolean {
  return sectionOf(saved, table).split("\n").includes(`-A ${from} -j ${to}`);
}

/** Per TAP a chain of its own, made while the TAP is down: ebtables has no transactions over several rules. */
function pinChain(tap: string): string {
  return `BANGER-${tap}`;
}

/** Calls of ebtables in order; the chain must not be there (see ebtablesRemoval). */
export function ebtablesAdmission({ address: bridge }: Network, attachment: Attachment): string[][] {
  const { tap, mac, address } = attachment;
  const chain = pinChain(tap);
  const arp = ["-p", "ARP", "-s", mac];
  return [
    ["-N", chain, "-P", "DROP"],
    ["-A", chain, "-p", "IPv4", "-s", mac, "--ip-source", address, "-j", "ACCEPT"],
    ["-A", chain, ...arp, "--arp-opcode", "Request", "--arp-ip-dst", "!", bridge, "-j", "DROP"],
    ["-A", chain, ...arp, "--arp-mac-src", mac, "--arp-ip-src", address, "-j", "ACCEPT"],
    ["-I", "PREROUTING", "1", "-i", tap, "-j", chain],
  ].map((args) => ["-t", "nat", ...args]);
}

/** Calls of ebtables in order, each of which may fail because its object is not there. */
export function ebtablesRemoval(tap: string): string[][] {
  const chain = pinChain(tap);
  return [
    ["-D", "PREROUTING", "-i", tap, "-j", chain],
    ["-F", chain],
    ["-X", chain],
  ].map((args) => ["-t", "nat", ...args]);
}
