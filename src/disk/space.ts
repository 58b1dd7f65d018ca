/** How much a file system still takes. */
import { statfs } from "node:fs/promises";

export interface FreeSpace {
  bytes: number;
  inodes: number;
}

/** What an ordinary user may still use of the file system that holds `path`. */
export async function freeSpace(path: string): Promise<FreeSpace> {
  const { bavail, bsize, ffree } = await statfs(path);
  return { bytes: bavail * bsize, inodes: ffree };
}
