/**
 * The config room: what the user may set, and where banger keeps things.
 *
 * Owns config.toml's schema, its defaults with their provenance, and the paths of each mode. Promises: a config is
 * either wholly valid or refused with every problem named; values are frozen; what root trusts comes from files that
 * only root can change. Never writes anything.
 */
export { type HostSize, type SpecDefaults, specDefaults } from "./defaults.ts";
export { type FileSyncEntry, fileSyncEntries } from "./file-sync.ts";
export { formatInstall, type Install, readInstall } from "./install.ts";
export {
  currentVersion,
  type InstalledPlace,
  installedPlace,
  programOf,
  versionName,
} from "./installed.ts";
export { configStamp, loadConfig, parseConfig } from "./load.ts";
export { loadRootConfig, type RootConfig, rootConfigDefaults } from "./root-config.ts";
export { parentProblem, readRootOwned, rootOwnedProblem } from "./root-owned.ts";
export { administratorKeys, type Config, ConfigSchema, inertKeys } from "./schema.ts";
