/**
 * The vm room: the domain. What a VM is, how it is made, started, stopped and deleted, and how rows and world are made
 * to agree after a crash.
 *
 * Owns the state machine, the step lists, names and references, and VMs' directories. Promises: a failed or killed
 * operation leaves nothing; a VM that runs goes on running whatever happens to the daemon. Never starts a process,
 * touches the network or parses what a guest sends: that is the rooms' below.
 */
export type { CallOptions } from "./call-options.ts";
export type { BootSource, VmDeps, VmLog } from "./deps.ts";
export {
  type HostDevices,
  type Network,
  noDevices,
  type RootAttachment,
  type Traffic,
  vmmNetwork,
} from "./devices.ts";
export { generateKey } from "./host-key.ts";
export { hostAlias } from "./identity.ts";
export { type VmPaths, vmFiles } from "./layout.ts";
export type { Snapshot } from "./live/snapshots.ts";
export { isAsleep } from "./live/suspended.ts";
export type { NewVm } from "./new-vm.ts";
export { reattach, reconcile } from "./reconcile.ts";
export { resolveRef } from "./refs.ts";
export { Runtimes } from "./runtime.ts";
export { VmService } from "./service.ts";
export { isIdle } from "./states.ts";
export { stepLists } from "./steps/lists.ts";
export type { VmHappening } from "./tell.ts";
export { coldReasons } from "./warm/warm-start.ts";
export { WorkspaceFailed, Workspaces } from "./workspaces.ts";
