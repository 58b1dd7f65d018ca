/** The operation nat.set. */
import { BangerError, type VmId } from "../../base/base.ts";
import { tapAlias } from "../../net/net.ts";
import type { HelperParams } from "../../rpc/helper-contract.ts";
import { changeLink, forgetConnections } from "../../sys/sys.ts";
import { chooseFirewall } from "./firewall.ts";
import { admitEgress, withdrawEgress } from "./forwarding.ts";
import { attachmentsOf, type NetworkPlace, readNetwork, requireBridge, serially } from "./network.ts";

/** Takes effect at once, for connections that exist too. Idempotent; off for a VM without a TAP is success. */
export function setNat(params: HelperParams<"nat.set">, place: NetworkPlace): Promise<void> {
  return change(params, place, true);
}

/** NAT for a VM that looks whether it works: where others have it already, what the host refuses them stays refused. */
export function joinNat(vm: VmId, place: NetworkPlace): Promise<void> {
  return change({ vm, on: true }, place, false);
}

function change({ vm, on }: HelperParams<"nat.set">, place: NetworkPlace, opensAnew: boolean): Promise<void> {
  return serially(async () => {
    const network = readNetwork(place);
    const own = network.attached.find(({ attachment }) => attachment.vm === vm);
    if (own === undefined) {
      if (!on) return;
      throw new BangerError("precondition", "the VM has no network device");
    }
    requireBridge(network, place.bridge);
    const attachments = attachmentsOf(network).map((each) => (each.vm === vm ? { ...each, nat: on } : each));
    if (on && (opensAnew || !attachmentsOf(network).some(({ nat }) => nat))) {
      try {
        await admitEgress(place, attachments);
      } catch (error) {
        const others = attachmentsOf(network);
        if (!others.some(({ nat }) => nat)) await withdrawEgress(place, others);
        throw error;
      }
    }
    const attachment = { ...own.attachment, nat: on };
    changeLink(own.link.index, { alias: tapAlias(attachment) });
    const routing = readNetwork(place).bridge?.routing ?? false;
    const wanted = { network: place, attachments, routing };
    const firewall = await chooseFirewall();
    if (on) return firewall.admit(wanted, attachment, false);
    await firewall.update(wanted, []);
    if (own.attachment.nat) forgetConnections(own.attachment.address);
    if (!attachments.some(({ nat }) => nat)) await withdrawEgress(place, attachments);
  });
}
