/**
 * The config room: what the user may set, and where banger keeps things.
 *
 * Owns config.toml's schema, its defaults with their provenance, and the paths of each mode. Promises: a config is
 * either wholly valid or refused with every problem named; values are frozen. Never writes anything.
 */
export { type HostSize, type SpecDefaults, specDefaults } from "./defaults.ts";
export { loadConfig, parseConfig } from "./load.ts";
export { type Config, ConfigSchema, inertKeys } from "./schema.ts";
