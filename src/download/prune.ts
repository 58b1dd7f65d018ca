/** Emptying the cache of blobs. Nothing but time is lost; who reads a blob meanwhile has it open, and goes on reading. */
import { randomBytes } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, lockFile, removeTree } from "../sys/sys.ts";
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
const asidePrefix = ".removed-";

/** `remove`: else it is only counted. A blob that is on its way stays. `cache` is banger's cache directory. */
export async function pruneBlobs(cache: string, remove: boolean): Promise<Pruned> {
  const directory = blobsDirectory(cache);
  const pruned: Pruned = { bytes: 0, blobs: 0, directory };
  for (const algorithm of ["sha256", "sha512"]) {
    const place = join(directory, algorithm);
    for (const name of await readdir(place).catch(() => [])) {
      const path = join(place, name);
      if (name.startsWith(asidePrefix) && remove) await removeTree(path);
      const hex = blobName.exec(name)?.[1] ?? partialName.exec(name)?.[1];
      if (hex === undefined) continue;
      const found = await stat(path).catch(() => undefined);
      const lock = found?.isFile() === true ? freeLock(place, hex) : undefined;
      if (found === undefined || lock === undefined) continue;
      try {
        if (remove) await removeAside(place, path);
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

/** Renamed first, so that nobody finds a blob that is going. */
async function removeAside(place: string, path: string): Promise<void> {
  const aside = join(place, asidePrefix + randomBytes(6).toString("hex"));
  await rename(path, aside);
  await removeTree(aside);
}
