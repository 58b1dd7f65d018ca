/**
 * The host room: the machine that banger runs on.
 *
 * Owns the system installation (executable, units, install.toml, directories) and what is embedded in the executable.
 * Promises: an installation is there as a whole or not at all; what is removed was banger's. Never knows VMs: who needs
 * to know whether any run is told.
 *
 * This face is root's commands'. embedded.ts is a side door, so that nothing of this is loaded for it.
 */

export { clearKernel } from "./system/clear-kernel.ts";
export { type InstallRequest, install } from "./system/install.ts";
export { findOwner, lookUpUser } from "./system/owner.ts";
export { type Places, systemPlaces } from "./system/places.ts";
export { exclusively } from "./system/requirements.ts";
export { restart, restartServices, type ServiceStatus, type SystemStatus, status } from "./system/status.ts";
export type { Answer, DriverFacts, SystemHost } from "./system/system-host.ts";
export { hostSystemd, type Systemd, type UnitState } from "./system/systemd.ts";
export { type Uninstalled, uninstall } from "./system/uninstall.ts";
export { unitNames, unitTexts } from "./system/units.ts";
export { pointTo, removeOtherVersions, rewrite } from "./system/versions.ts";
