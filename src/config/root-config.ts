/** /etc/banger/config.toml: in system mode the only source of what root executes and trusts. */
import type { z } from "zod";
import { parseToml } from "./load.ts";
import { readRootOwned } from "./root-owned.ts";
import { ConfigSchema } from "./schema.ts";

export const RootConfigSchema = ConfigSchema.pick({
  firecracker_bin: true,
  jailer_bin: true,
  jailer_chroot_base: true,
  bridge_name: true,
  bridge_ip: true,
  cidr: true,
  tap_pool_size: true,
  nat_private_networks: true,
});
export type RootConfig = z.infer<typeof RootConfigSchema>;

export const rootConfigDefaults: Readonly<RootConfig> = Object.freeze(RootConfigSchema.parse({}));

/** The config at `path`, or the defaults when there is no file. Throws bad_config. */
export function loadRootConfig(path: string): Readonly<RootConfig> {
  return parseToml(readRootOwned(path) ?? "", path, RootConfigSchema);
}
