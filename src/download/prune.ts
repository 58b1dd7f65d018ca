/** Emptying the cache of blobs. Nothing but time is lost; who reads a blob meanwhile has it open, and goes on reading. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, lockFile } from "../sys/sys.ts";
import { blobsDirectory } from "./cache.ts";

export interface Pruned {
  bytes: number;
  /** Those that are only in part there are among them. */
  blobs: number;
  /** Where they are. */
  directory: string;
}

const blobName = /^([0-9a-f]{64}|[0-9a-f]{128})$/;
const partialName = /^\.([0-9a-f]{64}|[0-9a-f]{128})\.partial$/;
const lockName = /^\.([0-9a-f]{64}|[0-9a-f]{128})\.lock$/;

/** `remove`: else it is only counted. A blob that is on its way stays. `cache` is banger's cache directory. */
export async function pruneBlobs(cache: string, remove: boolean): Promise<Pruned> {
  const directory = blobsDirectory(cache);
  const pruned: Pruned = { bytes: 0, blobs: 0, directory };
  for (const algorithm of ["sha256", "sha512"]) {
    const place = join(directory, algorithm);
    for (const name of await readdir(place).catch(() => [])) {
      const path = join(place, name);
      // Of a pull that was killed before the first byte.
      const locked = remove ? lockName.exec(name)?.[1] : undefined;
      if (locked !== undefined) await freeLock(place, locked)?.release();
      const hex = blobName.exec(name)?.[1] ?? partialName.exec(name)?.[1];
      if (hex === undefined) continue;
      const found = await stat(path).catch(() => undefined);
      const lock = found?.isFile() === true ? freeLock(place, hex) : undefined;
      if (found === undefined || lock === undefined) continue;
      try {
        if (remove) await rm(path, { force: true });
        pruned.bytes += found.blocks * 512;
        pruned.blobs += 1;
      } finally {
        await lock.release();
      }
    }
  }
  return pruned;
}

/** Undefined while a pull is at this blob. Counting leaves no lock files behind. */
function freeLock(place: string, hex: string): { release(): Promise<void> } | undefined {
  const path = join(place, `.${hex}.lock`);
  const lock: FileLock | undefined = lockFile(path);
  if (lock === undefined) return undefined;
  return {
    release: async () => {
      await rm(path, { force: true });
      lock.release();
    },
  };
}
