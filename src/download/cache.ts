/**
 * Blobs on this machine, by digest: <cache>/oci/blobs/ALGORITHM/HEX, as in an image layout. What bears its name is whole:
 * its size and its digest were checked before. What is on its way is `.HEX.partial` beside it, and goes on from where it
 * was, by whoever holds `.HEX.lock`.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { BangerError } from "../base/base.ts";
import { type FileLock, lockFile, syncDirectory } from "../sys/sys.ts";
import { type Digest, digestParts } from "./digest.ts";

export interface BlobPlace {
  directory: string;
  path: string;
  partial: string;
  lock: string;
}

/** `cache` is banger's cache directory. */
export function blobsDirectory(cache: string): string {
  return join(cache, "oci", "blobs");
}

export function blobPlace(cache: string, digest: Digest): BlobPlace {
  const { algorithm, hex } = digestParts(digest);
  const directory = join(blobsDirectory(cache), algorithm);
  return {
    directory,
    path: join(directory, hex),
    partial: join(directory, `.${hex}.partial`),
    lock: join(directory, `.${hex}.lock`),
  };
}

/** A blob that is there; undefined otherwise. One of a wrong size was damaged since, and is as good as none. */
export async function openBlob(place: BlobPlace, size: number): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(place.path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const found = await file.stat();
  if (found.isFile() && found.size === size) return file;
  await file.close();
  await rm(place.path, { force: true });
  return undefined;
}

/** flock(2) has no waiting that can be called off. */
const lockPollMs = 100;

/**
 * The blob, open: it stays readable when the cache is pruned meanwhile. When it is not there, `fill` makes it in the
 * partial file, which must then be exactly the blob; when another pull is at that, this one waits for it. `fill` decides
 * what becomes of the partial file when it fails.
 */
export async function ensureBlob(
  cache: string,
  { digest, size }: { digest: Digest; size: number },
  signal: AbortSignal,
  fill: (partial: FileHandle, place: BlobPlace) => Promise<void>,
): Promise<FileHandle> {
  const place = blobPlace(cache, digest);
  const present = await openBlob(place, size);
  if (present !== undefined) return present;
  await mkdir(place.directory, { recursive: true, mode: 0o700 });
  const lock = await takeLock(place, signal);
  try {
    const made = await openBlob(place, size);
    if (made !== undefined) return made;
    const partial = await open(
      place.partial,
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      await fill(partial, place);
      await partial.sync();
      await rename(place.partial, place.path);
    } finally {
      await partial.close();
    }
    await syncDirectory(place.directory);
  } finally {
    // While it is held: who opened it before sees that it is nobody's lock any more.
    await rm(place.lock, { force: true });
    lock.release();
  }
  const blob = await openBlob(place, size);
  if (blob === undefined)
    throw new BangerError("operation_failed", `${digest} was removed as soon as it was there`, {
      hint: "try again",
    });
  return blob;
}

async function takeLock({ lock }: BlobPlace, signal: AbortSignal): Promise<FileLock> {
  for (;;) {
    const held = lockFile(lock);
    if (held !== undefined) return held;
    await wait(lockPollMs, undefined, { signal }).catch((cause: unknown) => {
      throw new BangerError("cancelled", "cancelled", { cause });
    });
  }
}

/** Of a blob whose bytes were found to be others: the next pull fetches it anew. */
export async function forgetBlob(cache: string, digest: Digest): Promise<void> {
  await rm(blobPlace(cache, digest).path, { force: true });
}

/** Forgets what is there of a blob, whole or in part, unless a pull is at it. Whether anything was there. */
export async function forgetBeginning(cache: string, digest: Digest): Promise<boolean> {
  const place = blobPlace(cache, digest);
  const paths = [place.path, place.partial];
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  if (found.every((each) => each === undefined)) return false;
  const lock = lockFile(place.lock);
  if (lock === undefined) return false;
  for (const path of paths) await rm(path, { force: true });
  await rm(place.lock, { force: true });
  lock.release();
  return true;
}

export async function hasBlob(
  cache: string,
  { digest, size }: { digest: Digest; size: number },
): Promise<boolean> {
  const found = await stat(blobPlace(cache, digest).path).catch(() => undefined);
  return found?.isFile() === true && found.size === size;
}
