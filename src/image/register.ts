/** Root file systems that the user has made: used where they are, or copied into the store. */
import { createHash } from "node:crypto";
import { mkdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { copyDisk } from "../disk/disk.ts";
import { removeTree, stageDirectory } from "../sys/sys.ts";
import {
  type KnownOfImage,
  looksLikeExt4,
  rootfsName,
  type StoredImage,
  sealAround,
  sealImage,
  seedName,
  verifyImage,
} from "./store.ts";

export interface Registration {
  /** In the store. */
  name: string;
  /** Absolute: an ext4 file system in a file, without a partition table. */
  rootfs: string;
  kernel: { id: string; name: string };
  /** Throws no_space when there is no room in the store for so many bytes. */
  needSpace(bytes: number): Promise<void>;
  signal: AbortSignal;
}

/**
 * Records the file as an image; it stays where it is, and nobody may write it from now on. Gives the directory in `imagesDir`.
 * Throws not_found, and bad_request for what is no such file.
 */
export async function registerImage(registration: Registration, imagesDir: string): Promise<string> {
  const { name, kernel } = registration;
  const rootfs = await checkRootfs(registration.rootfs);
  return await stageDirectory(imagesDir, async (staging) => {
    await mkdir(join(staging, seedName), { mode: 0o700 });
    const known = await knownOf({ name, kernel, rootfs }, { kind: "registered", rootfs });
    await sealAround(rootfs, staging, known);
    return known.id.replace(/^sha256:/, "");
  });
}

/** The same with a copy in the store, which needs the file no more. */
export async function copyIntoStore(registration: Registration, imagesDir: string): Promise<string> {
  const { name, kernel, signal } = registration;
  const rootfs = await checkRootfs(registration.rootfs);
  const known = await knownOf({ name, kernel, rootfs }, { kind: "copied", rootfs });
  await registration.needSpace((await stat(rootfs)).blocks * 512);
  return await stageDirectory(imagesDir, async (staging) => {
    await mkdir(join(staging, seedName), { mode: 0o700 });
    await copyDisk(rootfs, join(staging, rootfsName), { durable: false, signal });
    await sealImage(staging, known);
    return known.id.replace(/^sha256:/, "");
  });
}

/** A registered image's file, copied into the store, as an image of the same name. Throws precondition for any other image. */
export async function promoteImage(
  image: StoredImage,
  imagesDir: string,
  means: Pick<Registration, "needSpace" | "signal">,
): Promise<string> {
  if (image.origin?.kind !== "registered") {
    throw new BangerError("precondition", `image ${image.name} is in the store already`, {
      hint: "only an image that was registered is a file elsewhere: banger image register",
    });
  }
  await verifyImage(image);
  const { name, kernel, rootfs } = image;
  const directory = await copyIntoStore({ ...means, name, kernel, rootfs }, imagesDir);
  try {
    await verifyImage(image);
  } catch (error) {
    // What was written meanwhile is in the copy, in part.
    await removeTree(directory);
    throw error;
  }
  return directory;
}

/** The file that `path` leads to. Throws not_found, denied, bad_request for what is no root file system. */
export async function checkRootfs(path: string): Promise<string> {
  const resolved = await realpath(path).catch((cause: unknown) => {
    throw new BangerError("not_found", `${path} is not there, or not for the daemon to read`, { cause });
  });
  const found = await stat(resolved);
  const unfit = (why: string) =>
    new BangerError("bad_request", `${path} is no root file system: ${why}`, {
      hint: "it must be a plain file with an ext4 in it, without a partition table (as `mke2fs -t ext4 -d TREE FILE SIZE` makes it)",
    });
  if (!found.isFile()) throw unfit("it is no plain file");
  if (found.size === 0 || found.size % 4096 !== 0) throw unfit("its size is no multiple of 4096 bytes");
  const isExt4 = await looksLikeExt4(resolved).catch((cause: unknown) => {
    throw new BangerError("denied", `${path} cannot be read by the daemon`, { cause });
  });
  if (!isExt4) throw unfit("it has no ext4");
  return resolved;
}

async function knownOf(
  { name, kernel, rootfs }: Pick<Registration, "name" | "kernel" | "rootfs">,
  origin: NonNullable<KnownOfImage["origin"]>,
): Promise<KnownOfImage> {
  const { size, mtimeMs } = await stat(rootfs);
  const inputs = JSON.stringify([origin.kind, name, kernel.id, rootfs, size, mtimeMs]);
  return {
    id: `sha256:${createHash("sha256").update(inputs).digest("hex")}`,
    name,
    revision: 0,
    distro: "own",
    arch: "amd64",
    kernel: { id: kernel.id, name: kernel.name },
    origin,
  };
}
