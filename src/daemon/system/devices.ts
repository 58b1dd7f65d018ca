/** What the system mode lends to machines: a TAP device on the bridge, and a root disk made by the device-mapper. */
import { BangerError } from "../../base/base.ts";
import { ImageId } from "../../base/ids.ts";
import { allocateAddress, lastFreeAddress, macOf } from "../../net/net.ts";
import type { HelperResult } from "../../rpc/rpc.ts";
import { hostNameServer } from "../../sys/sys.ts";
import type { HostDevices } from "../../vm/vm.ts";
import type { Helper } from "./helper-client.ts";
import { homeOf } from "./jailer.ts";
import { traffic } from "./traffic.ts";

/** `dns`: the user's choice; undefined takes what the host itself asks. */
export function systemDevices(
  helper: Helper,
  bridge: HelperResult<"bridge.ensure">,
  dns: string | undefined,
): HostDevices {
  return {
    address: (taken) => allocateAddress(bridge, taken),
    spareAddress: (taken) => lastFreeAddress(bridge, taken) ?? null,

    attachRoot: async (vm, { goesOn }) => {
      const { device } = await helper.call("disk.attach", {
        vm: vm.id,
        image: ImageId.parse(vm.image.id),
        home: homeOf(vm.rootDisk?.path ?? ""),
      });
      const { usedSectors, overflowed } = await helper.call("disk.status", { vm: vm.id });
      if (overflowed) {
        throw new BangerError("no_space", `the system disk of VM ${vm.name} has run full and is lost`, {
          hint: `its files under /root are safe, in the work disk; make a new VM with a larger system_overlay_size`,
        });
      }
      // In an untouched layer there is nothing but the image, which was whole when it was made.
      if (usedSectors > untouchedSectors && !goesOn) await helper.call("disk.check", { vm: vm.id });
      return { path: device, format: "raw" };
    },

    // A machine that still has the disk open would keep it; there should be none by now.
    detachRoot: async (id) => {
      await helper.call("machine.end", { vm: id });
      await helper.call("disk.detach", { vm: id });
    },

    flushRoot: async (id) => void (await helper.call("disk.flush", { vm: id })),

    layerOf: async (id) => {
      try {
        const { usedSectors, totalSectors, overflowed } = await helper.call("disk.status", { vm: id });
        return { usedBytes: usedSectors * 512, totalBytes: totalSectors * 512, overflowed };
      } catch {
        // A list of VMs must not fail because one of them is just ending.
        return undefined;
      }
    },

    connect: async (vm) => {
      if (vm.address === null) {
        throw new BangerError("precondition", `VM ${vm.name} was made without an address`, {
          hint: `it is of the user's daemon; make a new one: banger vm create`,
        });
      }
      const mac = macOf(vm.id);
      const { tap, nat } = await helper.call("tap.acquire", { vm: vm.id, address: vm.address, mac });
      if (nat !== vm.spec.nat) await helper.call("nat.set", { vm: vm.id, on: vm.spec.nat });
      return {
        address: vm.address,
        prefix: bridge.prefix,
        gateway: bridge.address,
        dns: dns ?? hostNameServer() ?? bridge.address,
        link: { tap, mac },
      };
    },

    liveEgress: true,
    setEgress: async (id, on) => void (await helper.call("nat.set", { vm: id, on })),
    disconnect: async (id) => void (await helper.call("tap.release", { vm: id })),

    traffic,
    present: async () => (await helper.call("inventory", {})).vms.map(({ vm }) => vm),
  };
}

/** The header and the index of an empty layer, at any chunk size that the helper uses. */
const untouchedSectors = 512;
