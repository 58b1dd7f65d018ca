/** The operation bridge.ensure. */
import { BangerError } from "../../base/base.ts";
import { bridgeAlias, bridgeMac, findOverlap, idleAlias, subnetOf, tapName } from "../../net/net.ts";
import type { HelperResult } from "../../rpc/helper-contract.ts";
import {
  addAddress,
  changeLink,
  createBridge,
  createTap,
  listAddresses,
  listLinks,
  listRoutes,
  removeLink,
  withoutIpv6,
} from "../../sys/sys.ts";
import { chooseFirewall } from "./firewall.ts";
import { admitEgress, withdrawEgress } from "./forwarding.ts";
import {
  attachmentsOf,
  type KernelNetwork,
  type NetworkPlace,
  readNetwork,
  refuseForeign,
  serially,
} from "./network.ts";

/** Idempotent; repairs what is missing, rules that somebody flushed included. */
export function ensureBridge(place: NetworkPlace): Promise<HelperResult<"bridge.ensure">> {
  return serially(async () => {
    const before = readNetwork(place);
    refuseForeign(before);
    const outdated = [
      ...before.strays,
      ...(before.bridge !== undefined && hasOtherAddress(before.bridge.index, place) ? [before.bridge] : []),
    ];
    const [first] = outdated;
    if (first !== undefined && before.attached.length > 0) {
      throw new BangerError(
        "precondition",
        `the bridge ${first.name} is not the one that is configured now`,
        {
          hint: "stop all VMs first: banger vm stop",
        },
      );
    }
    for (const { index } of outdated) removeLink(index);
    if (before.bridge === undefined || outdated.includes(before.bridge)) {
      refuseUsedSubnet(place);
      createBridge(place.bridge, bridgeMac);
    }
    const network = readNetwork(place);
    const { bridge } = network;
    if (bridge === undefined) throw new BangerError("operation_failed", `${place.bridge} vanished again`);
    if (bridge.alias === undefined)
      changeLink(bridge.index, { alias: bridgeAlias({ egress: false, routing: false }) });
    withoutIpv6(bridge.index);
    addAddress(bridge.index, place.address, place.prefix);
    const attachments = attachmentsOf(network);
    // Rules first: from the moment it is up, a host service would be reachable.
    const { routing } = bridge;
    await (await chooseFirewall()).ensure({ network: place, attachments, routing });
    changeLink(bridge.index, { up: true });
    if (attachments.some(({ nat }) => nat)) await admitEgress(place, attachments);
    else await withdrawEgress(place, attachments);
    fillPool(place, network);
    return { name: place.bridge, address: place.address, prefix: place.prefix };
  });
}

function hasOtherAddress(index: number, place: NetworkPlace): boolean {
  const own = listAddresses().filter(({ interfaceIndex }) => interfaceIndex === index);
  return own.some(({ address, prefix }) => address !== place.address || prefix !== place.prefix);
}

/** Throws when an interface or a route of the host already has part of the subnet. */
function refuseUsedSubnet(place: NetworkPlace): void {
  const used = findOverlap(place, { addresses: listAddresses(), routes: listRoutes() });
  if (used === undefined) return;
  const where = listLinks().find(({ index }) => index === used.interfaceIndex)?.name ?? "a route";
  throw new BangerError(
    "already_exists",
    `the subnet ${subnetOf(place)} is in use: ${where} has ${subnetOf(used)}`,
    {
      hint: 'choose another one in /etc/banger/config.toml, such as bridge_ip = "10.213.0.1"',
    },
  );
}

/** Idle TAPs up to the configured number, down and in no bridge. Names of other people's TAPs are passed over. */
export function fillPool(place: NetworkPlace, network: KernelNetwork): void {
  let missing = place.tapPoolSize - network.idle.length;
  for (let index = 0; missing > 0; index += 1) {
    if (network.names.has(tapName(index))) continue;
    createTap(tapName(index), place.owner, idleAlias);
    missing -= 1;
  }
}
