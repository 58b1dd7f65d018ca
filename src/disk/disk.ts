/**
 * The disk room: files that guests see as disks.
 *
 * Owns the choice between copy-on-write strategies, the work disk's making and growing, and sparse files. Promises:
 * a base image is never written; a half-made disk never appears under its final name (written aside, fsynced, renamed).
 * Never mounts anything and never needs root. Only growWorkDisk has a guest's file system parsed, by e2fsck as the caller.
 */
/** `snapshot`: a layer for the device-mapper, which whoever starts the machine puts over the base. */
export type RootDiskStrategy = "reflink" | "overlay" | "copy" | "snapshot";

export interface RootDisk {
  path: string;
  format: "raw" | "qcow2";
  strategy: RootDiskStrategy;
}

export { copyDisk, copyOpened } from "./copy-disk.ts";
export { createFilledWorkDisk, type FilledWorkDisk } from "./filled-work-disk.ts";
export { flattenDisk, type LayeredDisk } from "./flatten.ts";
export { createLayer, type DiskFile, flushDisk, linkDisk } from "./layer.ts";
export { replaceContent } from "./replace.ts";
export { type DiskReserve, diskReserve } from "./reserve.ts";
export { createRootDisk, probeRootDiskStrategy } from "./root-disk.ts";
export { createRootFileSystem, leastBytesFor } from "./root-file-system.ts";
export { freeSpace } from "./space.ts";
export { updateCopy } from "./update-copy.ts";
export { createWorkDisk, growWorkDisk } from "./work-disk.ts";
