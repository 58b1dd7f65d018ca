/** The system mode: Firecracker under the jailer, and devices of the host, all by way of the root helper. */
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { type Config, loadRootConfig } from "../../config/config.ts";
import { builderSocket, helperSocket, systemConfigFile, systemFirecracker } from "../../config/paths.ts";
import type { VmPaths } from "../../vm/vm.ts";
import { firecrackerDriver } from "../../vmm/vmm.ts";
import type { DaemonPlace } from "../place.ts";
import type { Platform } from "../platform.ts";
import { systemDevices } from "./devices.ts";
import { helperAt } from "./helper-client.ts";
import { imageBuilderAt } from "./image-builder.ts";
import { helperJailer } from "./jailer.ts";

/** Where jails are unless /etc/banger/config.toml says otherwise: what the helper takes, too. */
const defaultJails = "/var/lib/banger-jail";

/** Throws unavailable when the helper does not run, bad_version when it is of another build. */
export async function systemPlatform(config: Config, place: DaemonPlace, vms: VmPaths): Promise<Platform> {
  if (config.vmm === "qemu" || !config.jailer_enabled) {
    const key = config.vmm === "qemu" ? 'vmm = "qemu"' : "jailer_enabled = false";
    throw new BangerError(
      "bad_config",
      `${key} is not for the system services: they run VMs by Firecracker, jailed`,
      {
        hint: `take it out of ${place.paths.config}`,
      },
    );
  }
  const rootConfig = loadRootConfig(systemConfigFile);
  const helper = helperAt(helperSocket);
  const bridge = await helper.call("bridge.ensure", {});
  const jails = rootConfig.jailer_chroot_base ?? defaultJails;
  return {
    driver: firecrackerDriver({
      programs:
        rootConfig.firecracker_bin === undefined
          ? [join(systemFirecracker, "current", "firecracker"), "firecracker"]
          : [rootConfig.firecracker_bin],
      jailer: helperJailer(helper, { vms, jails }),
      probeCache: join(place.paths.state, "firecracker-probe.json"),
    }),
    devices: systemDevices(helper, bridge, config.default_dns),
    rootDiskStrategy: "snapshot",
    buildImage: imageBuilderAt(builderSocket),
    resolver: {
      route: async (port) => (await helper.call("resolver.route", { port })).asks,
      clear: async () => void (await helper.call("resolver.clear", {})),
    },
  };
}
