/**
 * The firewall as nft(8) scripts, each one transaction. The rules never change: VMs are elements of sets. Two tables
 * hold all of it, because nft keeps bridged frames (`bridge`) and routed packets (`inet`) apart.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { subnetOf } from "./addresses.ts";
import type { Attachment, Network } from "./attachment.ts";
import { echoesPerSecond, privateNetworks } from "./destinations.ts";

function elements(list: readonly string[]): string {
  return list.length === 0 ? "" : `elements = { ${list.join(", ")} }`;
}

interface Members {
  taps: string[];
  pins: string[];
  egress: string[];
}

function membersOf(attachments: readonly Attachment[]): Members {
  const named = (vm: string) => `comment "${vm}"`;
  return {
    taps: attachments.map(({ tap, vm }) => `"${tap}" ${named(vm)}`),
    pins: attachments.map(({ tap, mac, address, vm }) => `"${tap}" . ${mac} . ${address} ${named(vm)}`),
    egress: attachments.filter(({ nat }) => nat).map(({ address, vm }) => `${address} ${named(vm)}`),
  };
}

/** Everything, anew: what was there of banger's is replaced in the same transaction. */
export function nftPlan(network: Network, attachments: readonly Attachment[], routing: boolean): string {
  const members = membersOf(attachments);
  const mark = nftMark(network, routing);
  return [nftRemoval(), frames(network, members, mark), packets(network, members, routing, mark)].join("\n");
}

/** Commands that list a rule of each table that bears the mark, where the table is whole. */
export const nftMarked = ["list chain bridge banger from_guest", "list chain inet banger forward"] as const;

/** A comment that tells rules of this very text from others: those of another version, or another configuration. */
export function nftMark(network: Network, routing: boolean): string {
  const none = { taps: [], pins: [], egress: [] };
  const text = frames(network, none, "") + packets(network, none, routing, "");
  return `plan ${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

/** Lets a VM in that was not, or out: the kernel does this in a fraction of the time that any removal takes it. */
export function nftAdmission(attachment: Attachment): string {
  const { taps, pins, egress } = membersOf([attachment]);
  return [
    `add element bridge banger taps { ${taps} }`,
    `add element bridge banger pins { ${pins} }`,
    `add element inet banger taps { ${taps} }`,
    ...(egress.length === 0 ? [] : [`add element inet banger egress { ${egress} }`]),
  ].join("\n");
}

/** Only who is attached, when the tables are there already. */
export function nftUpdate(attachments: readonly Attachment[]): string {
  const { taps, pins, egress } = membersOf(attachments);
  const replace = (table: string, set: string, list: string[]) => [
    `flush set ${table} ${set}`,
    ...(list.length === 0 ? [] : [`add element ${table} ${set} { ${list.join(", ")} }`]),
  ];
  return [
    ...replace("bridge banger", "taps", taps),
    ...replace("bridge banger", "pins", pins),
    ...replace("inet banger", "taps", taps),
    ...replace("inet banger", "egress", egress),
  ].join("\n");
}

export const nftPins = "list set bridge banger pins";

const PinSet = z.looseObject({
  set: z.looseObject({
    elem: z.array(
      z.looseObject({
        elem: z.looseObject({ val: z.looseObject({ concat: z.tuple([z.string()], z.unknown()) }) }),
      }),
    ),
  }),
});

/** Whether a listing of `nftPins` (libnftables-json(5)) has anything for the TAP. */
export function isPinned(listing: readonly unknown[], tap: string): boolean {
  return listing.some((entry) =>
    PinSet.safeParse(entry).data?.set.elem.some(({ elem }) => elem.val.concat[0] === tap),
  );
}

/** In one stroke; a table that is not there is made first, because deleting nothing would be an error. */
export function nftRemoval(): string {
  return ["bridge", "inet"]
    .flatMap((family) => [`add table ${family} banger`, `delete table ${family} banger`])
    .join("\n");
}

/** What may come through a TAP at all: IPv4 and ARP, from the VM's own addresses. Before br_netfilter and everybody else (their earliest priority is -300). */
function frames({ address }: Network, { taps, pins }: Members, mark: string): string {
  return `table bridge banger {
  set taps { type ifname; ${elements(taps)} }
  set pins { type ifname . ether_addr . ipv4_addr; ${elements(pins)} }
  chain prerouting {
    type filter hook prerouting priority -350; policy accept;
    iifname @taps goto from_guest
  }
  chain from_guest {
    ether type ip iifname . ether saddr . ip saddr @pins accept
    ether type arp arp operation request arp daddr ip != ${address} counter drop comment "asks for others than the bridge"
    ether type arp iifname . ether saddr . arp saddr ip @pins iifname . arp saddr ether . arp saddr ip @pins accept
    counter drop comment "${mark}"
  }
  chain input {
    type filter hook input priority -350; policy accept;
    iifname @taps ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop comment "past the prerouting chain, to the port itself"
  }
  chain forward {
    type filter hook forward priority -350; policy accept;
    iifname @taps oifname @taps counter drop comment "guest to guest"
  }
}`;
}

/** -140: after connection tracking, but before anybody's DNAT, so that destinations are those that the guest wrote. */
function packets(network: Network, { taps, egress }: Members, routing: boolean, mark: string): string {
  const { bridge, address, reachable } = network;
  return `table inet banger {
  set taps { type ifname; ${elements(taps)} }
  set egress { type ipv4_addr; ${elements(egress)} }
  set private { type ipv4_addr; flags interval; auto-merge; ${elements(privateNetworks)} }
  set reachable { type ipv4_addr; flags interval; auto-merge; ${elements(reachable)} }
  chain port {
    type filter hook prerouting priority -350; policy accept;
    iifname @taps counter drop comment "to the port itself, past the bridge"
  }
  chain prerouting {
    type filter hook prerouting priority -140; policy accept;
    iifname != "${bridge}" accept
    meta nfproto != ipv4 counter drop
    ct state invalid counter drop
    ct direction reply ct state { established, related } accept
    ip daddr ${address} icmp type echo-request limit rate ${echoesPerSecond}/second accept
    fib daddr type != unicast counter drop comment "the host's own addresses, broadcast, multicast"
    jump outbound
  }
  chain outbound {
    ip saddr != @egress counter drop comment "without NAT"
    ip daddr ${subnetOf(network)} counter drop
    ip daddr @reachable return
    ip daddr @private meta l4proto { tcp, udp } th dport 53 return comment "name servers"
    ip daddr @private counter drop
  }
  chain input {
    type filter hook input priority -10; policy accept;
    iifname != "${bridge}" accept
    ct direction reply ct state { established, related } accept
    ip daddr ${address} icmp type echo-request accept
    counter drop comment "redirected to the host by somebody's DNAT"
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    iifname "${bridge}" oifname "${bridge}" counter drop
    iifname "${bridge}" jump outbound
    iifname "${bridge}" accept
    oifname "${bridge}" ct direction reply ct state { established, related } ip daddr @egress accept
    oifname "${bridge}" counter drop comment "${mark}"${routing ? bystanders : ""}
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr @egress oifname != "${bridge}" masquerade
  }
}`;
}

/**
 * The host did not forward until a VM got NAT: it shall not become a router for the machines around it. Virtual
 * interfaces (those with a kind) belong to programs that forward on purpose, as banger does.
 */
const bystanders = `
    meta iifkind != "none" accept
    ct state { established, related } accept
    ct status dnat accept
    counter drop comment "from a network card, not for a guest"`;
