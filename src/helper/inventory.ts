/** The operation inventory: what of banger's there is, by its names in the kernel and in the jails. */
import type { VmId } from "../base/base.ts";
import type { Presence } from "../rpc/rpc.ts";
import { mappedVms, ownLoops } from "./disk/snapshot.ts";
import { findMachine, groupedVms } from "./machine/cgroup.ts";
import { jailedVms } from "./machine/jail.ts";
import { baseTagPrefix, vmOfOverlayTag } from "./names.ts";
import type { Operation, Site } from "./operation.ts";

/** The network's part of it. */
export interface NetworkInventory {
  attached: readonly { vm: VmId; tap: string; nat: boolean }[];
  idleTaps: number;
  bridge: string | null;
}

export function takeInventory(network: (site: Site) => NetworkInventory): Operation<"inventory", null> {
  return {
    validate: () => null,

    do: async (_plan, site) => {
      const { attached, idleTaps, bridge } = network(site);
      const loops = ownLoops(site.places);
      const jails = new Set(jailedVms(site));
      const groups = new Set(groupedVms(site.places));
      const mapped = new Set(mappedVms());
      const overlays = new Set(loops.map(({ tag }) => vmOfOverlayTag(tag)).filter((vm) => vm !== undefined));
      const networked = attached.map(({ vm }) => vm);
      const presence = (vm: VmId): Presence => {
        const own = attached.find((each) => each.vm === vm);
        return {
          vm,
          process: findMachine(site.places, vm) ?? null,
          jail: jails.has(vm),
          cgroup: groups.has(vm),
          snapshot: mapped.has(vm),
          overlayLoop: overlays.has(vm),
          tap: own?.tap ?? null,
          nat: own?.nat ?? false,
        };
      };
      return {
        vms: [...new Set([...jails, ...groups, ...mapped, ...overlays, ...networked])].map(presence),
        baseLoops: loops.filter(({ tag }) => tag.startsWith(baseTagPrefix)).length,
        idleTaps,
        bridge,
      };
    },
  };
}
