/** What a daemon's mode decides: the driver, what the host lends to machines, and how root disks are layered. */
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { probeRootDiskStrategy, type RootDiskStrategy } from "../disk/disk.ts";
import { type HostDevices, noDevices, type VmPaths } from "../vm/vm.ts";
import { qemuDriver, type VmmDriver } from "../vmm/vmm.ts";
import type { DaemonPlace } from "./place.ts";

export interface Platform {
  driver: VmmDriver;
  devices: HostDevices;
  rootDiskStrategy: RootDiskStrategy;
}

/** User mode: QEMU, disks as files, the network inside QEMU. */
export async function userPlatform(config: Config, place: DaemonPlace, vms: VmPaths): Promise<Platform> {
  return plainPlatform(qemuDriver({ probeCache: join(place.paths.state, "qemu-probe.json") }), config, vms);
}

/** Any driver that needs nothing of the host. */
export async function plainPlatform(driver: VmmDriver, config: Config, vms: VmPaths): Promise<Platform> {
  return {
    driver,
    devices: noDevices(config.default_dns),
    rootDiskStrategy: await probeRootDiskStrategy(vms.vms, { qcow2: driver.capabilities.qcow2 }),
  };
}
