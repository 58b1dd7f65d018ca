/** An empty file system for an image's root: sparse, and of the shape that the ext4 room fills. */
import { makeDisk } from "./aside.ts";
import { makeExt4 } from "./mke2fs.ts";

export interface RootFileSystemRequest {
  path: string;
  sizeBytes: number;
  /** Files, directories and links that it must have room for. */
  entries: number;
  signal: AbortSignal;
}

const blockBytes = 4096;
/** A group of 32768 blocks has inodes for no more (its bitmap is one block); from there on mke2fs makes smaller groups. */
const inodesPerBlock = 0.95;

/** A quarter more than the image has: guests make files too. */
function inodesFor(entries: number): number {
  return Math.ceil(entries * 1.25) + 1024;
}

/** What a file system must have for so many entries, however small they are. */
export function leastBytesFor(entries: number): number {
  return Math.ceil(inodesFor(entries) / inodesPerBlock) * blockBytes;
}

/** Makes it without mounting anything. Not yet durable: whoever fills it syncs it. `sizeBytes` is leastBytesFor at least. */
export async function createRootFileSystem(request: RootFileSystemRequest): Promise<void> {
  const { path, sizeBytes, entries, signal } = request;
  const inodes = Math.max(Math.ceil(sizeBytes / 16384), inodesFor(entries));
  await makeDisk(path, { durable: false }, async (file, aside) => {
    await file.truncate(sizeBytes);
    await makeExt4(aside, { sizeBytes, label: "banger-rootfs", inodes }, signal);
  });
}
