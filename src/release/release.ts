/**
 * The release room: programs that are fetched ready-made and run as they are.
 *
 * Owns the catalog of Firecracker's releases, the download and what is unpacked of it. Promises: nothing is unpacked
 * before its digest is the one that was asked for, and what was not whole leaves nothing behind. Never starts VMs, and
 * needs no daemon.
 */
export { firecrackerReleases } from "./firecracker-catalog.ts";
export {
  type InstalledFirecracker,
  type InstallRequest,
  installFirecracker,
} from "./install-firecracker.ts";
