/** What a daemon's mode decides: the driver, what the host lends to machines, and how root disks are layered and images built. */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Config } from "../config/config.ts";
import { probeRootDiskStrategy, type RootDiskStrategy } from "../disk/disk.ts";
import { buildImage } from "../image/image.ts";
import { type HostDevices, type Network, noDevices, type VmPaths, vmmNetwork } from "../vm/vm.ts";
import { directJailer, findProgram, firecrackerDriver, qemuDriver, type VmmDriver } from "../vmm/vmm.ts";
import type { HostResolver } from "./names/names.ts";
import type { DaemonPlace } from "./place.ts";

export interface Platform {
  driver: VmmDriver;
  devices: HostDevices;
  rootDiskStrategy: RootDiskStrategy;
  buildImage: typeof buildImage;
  /** Undefined where nobody may tell it anything. */
  resolver?: HostResolver;
}

/** User mode: QEMU, disks as files, the network inside QEMU. Throws bad_config for a driver that it has not. */
export async function userPlatform(config: Config, place: DaemonPlace, vms: VmPaths): Promise<Platform> {
  const { state } = place.paths;
  return config.vmm === "firecracker"
    ? plainPlatform(unjailedFirecracker(config, state), null, vms)
    : plainPlatform(
        qemuDriver({ probeCache: join(state, "qemu-probe.json") }),
        vmmNetwork(config.default_dns),
        vms,
      );
}

/** For debugging: what a jail needs is root's, and so is what a network needs. */
function unjailedFirecracker({ jailer_enabled, firecracker_bin }: Config, state: string): VmmDriver {
  if (jailer_enabled) {
    throw new BangerError(
      "bad_config",
      'vmm = "firecracker" needs the system services: a jail is made by root',
      {
        hint: "sudo banger system install --owner $USER; or, to debug without jail and network, jailer_enabled = false",
      },
    );
  }
  const installed = join(state, "firecracker", "current", "firecracker");
  const program = firecracker_bin ?? findProgram(installed) ?? findProgram("firecracker") ?? installed;
  return firecrackerDriver({
    programs: [program],
    jailer: directJailer(program),
    probeCache: join(state, "firecracker-probe.json"),
  });
}

/** Any driver that needs nothing of the host; `network` is the one that it gives to guests, if it does. */
export async function plainPlatform(
  driver: VmmDriver,
  network: Network | null,
  vms: VmPaths,
): Promise<Platform> {
  return {
    driver,
    devices: noDevices(network),
    rootDiskStrategy: await probeRootDiskStrategy(vms.vms, { qcow2: driver.capabilities.qcow2 }),
    buildImage,
  };
}
