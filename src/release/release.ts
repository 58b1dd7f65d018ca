/**
 * The release room: programs that are fetched ready-made and run as they are.
 *
 * Owns the catalogs of Firecracker's releases and of the programs that go into images, the downloads and what is unpacked
 * of them, and the key and the address of banger's own. Promises: nothing is unpacked or handed out before its digest is the one that was asked for, and what was not
 * whole leaves nothing behind. Never starts VMs, and needs no daemon.
 */
export { downloadsIn, type FoundTool, fetchTool, findTools } from "./downloads.ts";
export { firecrackerReleases } from "./firecracker-catalog.ts";
export {
  type InstalledFirecracker,
  type InstallRequest,
  installFirecracker,
} from "./install-firecracker.ts";
export { type Tool, toolOf } from "./tool-catalog.ts";
export { releaseKey, releasesAt } from "./trust.ts";
export { unpackMembers } from "./unpack-members.ts";
