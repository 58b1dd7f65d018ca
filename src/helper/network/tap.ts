/** The operations tap.acquire and tap.release. */
import { BangerError } from "../../base/base.ts";
import { type Attachment, guestAddressProblem, idleAlias, macOf, tapAlias, tapName } from "../../net/net.ts";
import type { HelperParams, HelperResult } from "../../rpc/helper-contract.ts";
import {
  changeLink,
  createTap,
  findLink,
  forgetConnections,
  isolatePort,
  type Link,
  removeLink,
  withoutIpv6,
} from "../../sys/sys.ts";
import { fillPool } from "./bridge.ts";
import { chooseFirewall } from "./firewall.ts";
import { withdrawEgress } from "./forwarding.ts";
import {
  attachmentsOf,
  type KernelNetwork,
  type NetworkPlace,
  readNetwork,
  requireBridge,
  serially,
} from "./network.ts";

/** Idempotent: a VM that has its TAP keeps it, with its NAT. */
export function acquireTap(
  params: HelperParams<"tap.acquire">,
  place: NetworkPlace,
): Promise<HelperResult<"tap.acquire">> {
  return serially(async () => {
    const network = readNetwork(place);
    refuseForeignAddress(params, place, network);
    const bridge = requireBridge(network, place.bridge);
    const held = network.attached.find(({ attachment }) => attachment.vm === params.vm);
    const link = held?.link ?? idleTap(place, network);
    const attachment: Attachment = { ...params, tap: link.name, nat: held?.attachment.nat ?? false };
    const others = attachmentsOf(network).filter(({ vm }) => vm !== params.vm);
    const firewall = await chooseFirewall();
    try {
      // The alias first: from now on the device is the VM's, whatever happens to this process.
      changeLink(link.index, { alias: tapAlias(attachment) });
      withoutIpv6(link.index);
      // Frames to link-local MAC addresses come to the port itself, past the bridge: it has nothing to say.
      changeLink(link.index, { master: bridge.index, withoutArp: true });
      isolatePort(link.index);
      requireIsolated(link.name);
      const wanted = { network: place, attachments: [...others, attachment], routing: bridge.routing };
      // Down: new, or a helper ended before it was let in.
      await firewall.admit(wanted, attachment, !link.up);
      changeLink(link.index, { up: true });
    } catch (error) {
      if (held === undefined) {
        removeLink(link.index);
        // Else the next device of that name could speak for this VM.
        await firewall.update({ network: place, attachments: others, routing: bridge.routing }, [link.name]);
      }
      throw error;
    }
    return { tap: link.name, nat: attachment.nat };
  });
}

function refuseForeignAddress(
  { vm, address, mac }: HelperParams<"tap.acquire">,
  place: NetworkPlace,
  network: KernelNetwork,
): void {
  const problem = guestAddressProblem(place, address);
  if (problem !== undefined) throw new BangerError("bad_request", problem);
  if (mac !== macOf(vm)) throw new BangerError("bad_request", `${mac} is not the MAC address of this VM`);
  for (const { attachment: other } of network.attached) {
    const clash = other.vm !== vm && (other.address === address || other.mac === mac);
    const moved = other.vm === vm && other.address !== address;
    if (clash) throw new BangerError("already_exists", `another VM has the address ${address}`);
    if (moved) throw new BangerError("precondition", `the VM is attached with ${other.address}`);
  }
}

/** The owner may have an idle TAP open: that one is passed over. */
function idleTap(place: NetworkPlace, network: KernelNetwork): Link {
  const ready = network.idle.find(({ carrier }) => !carrier);
  if (ready !== undefined) return ready;
  let index = 0;
  while (network.names.has(tapName(index))) index += 1;
  createTap(tapName(index), place.owner, idleAlias);
  return requireLink(tapName(index));
}

function requireLink(name: string): Link {
  const link = findLink(name);
  if (link === undefined) throw new BangerError("operation_failed", `the TAP device ${name} vanished again`);
  return link;
}

/** Asked for is not had: old kernels take the flag and ignore it. */
function requireIsolated(name: string): void {
  if (requireLink(name).isolated) return;
  throw new BangerError("host_missing", "this kernel cannot isolate the ports of a bridge from each other", {
    hint: "it needs Linux 4.18 or later",
  });
}

/** Absent is success. Ends a VMM's use of the device, if there is still one. */
export function releaseTap(params: HelperParams<"tap.release">, place: NetworkPlace): Promise<void> {
  return serially(async () => {
    const network = readNetwork(place);
    const own = network.attached.filter(({ attachment }) => attachment.vm === params.vm);
    if (own.length === 0) return;
    const firewall = await chooseFirewall();
    const others = attachmentsOf(network).filter(({ vm }) => vm !== params.vm);
    for (const { link } of own) changeLink(link.index, { up: false });
    // The devices last: until everything else is done, their aliases tell whose remains these are.
    const released = own.map(({ link }) => link.name);
    const routing = network.bridge?.routing ?? false;
    await firewall.update({ network: place, attachments: others, routing }, released);
    for (const { link, attachment } of own) {
      if (attachment.nat) forgetConnections(attachment.address);
      // Not back into the pool: nothing of one VM is to be the next one's.
      removeLink(link.index);
    }
    const lastWithNat = own.some(({ attachment }) => attachment.nat) && !others.some(({ nat }) => nat);
    if (lastWithNat) await withdrawEgress(place, others);
    fillPool(place, readNetwork(place));
  });
}
