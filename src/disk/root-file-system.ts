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

/** Makes it without mounting anything. Not yet durable: whoever fills it syncs it. */
export async function createRootFileSystem(request: RootFileSystemRequest): Promise<void> {
  const { path, sizeBytes, entries, signal } = request;
  // As many as are usual for the size, and as many again as the image has where it has very many small files.
  const inodes = Math.max(Math.ceil(sizeBytes / 16384), 2 * entries + 1024);
  await makeDisk(path, { durable: false }, async (file, aside) => {
    await file.truncate(sizeBytes);
    await makeExt4(aside, { sizeBytes, label: "banger-rootfs", inodes }, signal);
  });
}
