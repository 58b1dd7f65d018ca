/**
 * Images on disk: <dir>/<digest>/{rootfs.ext4,seed/,manifest.json}; with work.ext4 in place of seed/ where the image was
 * saved of a VM, and without rootfs.ext4 where it is a file of the user's.
 */
import { chmod, open, readdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { imageCatalog } from "../catalog/catalog.ts";
import { atomicWrite, removeTree } from "../sys/sys.ts";

export const manifestName = "manifest.json";
export const rootfsName = "rootfs.ext4";
export const seedName = "seed";
export const workName = "work.ext4";

export const ImageOrigin = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("bundle"),
    /** An address or a path. */
    from: z.string(),
    /** Of the packed file. */
    sha256: z.string(),
  }),
  /** A file of the user's, which stays where it is: not in the store. */
  z.strictObject({ kind: z.literal("registered"), rootfs: z.string() }),
  /** A copy of such a file. */
  z.strictObject({ kind: z.literal("copied"), rootfs: z.string() }),
  /** The disks of a VM, as they were when it had stopped. */
  z.strictObject({ kind: z.literal("saved"), vm: z.string() }),
  /** A container image, with an init and an ssh server installed in a VM of it. */
  z.strictObject({ kind: z.literal("provisioned") }),
]);
export type ImageOrigin = z.infer<typeof ImageOrigin>;

export const ImageManifest = z.strictObject({
  /**
   * `sha256:` over what went in: recipe, kernel's id, installed packages with their versions; of an imported one its
   * manifest's digest, name, kernel and size.
   */
  id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  name: z.string(),
  /** The recipe's. */
  revision: z.int().nonnegative().default(0),
  distro: z.string(),
  arch: z.literal("amd64"),
  kernel: z.strictObject({ id: z.string(), name: z.string() }),
  /** Tools of its recipe that could not be had when it was built. */
  lacks: z.array(z.string()).optional(),
  rootfsBytes: z.int().positive(),
  /** Size of the work disk that its VMs begin with, where that is a whole disk and not the files in `seed`. */
  workBytes: z.int().positive().optional(),
  /** Modification time of the root file system when it was finished, ms since 1970: nobody may have written it since. */
  rootfsModifiedMs: z.number(),
  createdAt: z.string(),
  /** How it came here, when neither a recipe nor a container's layers made it. */
  origin: ImageOrigin.optional(),
  /** Of an image that was imported: where from, and how its publisher means it to be run. */
  oci: z
    .strictObject({
      /** In full: docker.io/library/debian:bookworm. */
      reference: z.string(),
      /** Of the manifest for linux/amd64. */
      digest: z.string(),
      env: z.array(z.string()),
      entrypoint: z.array(z.string()),
      cmd: z.array(z.string()),
      workingDir: z.string(),
      user: z.string(),
    })
    .optional(),
});
export type ImageManifest = z.infer<typeof ImageManifest>;

export interface StoredImage extends ImageManifest {
  directory: string;
  rootfs: string;
  /** What /root starts with: a directory, or a whole work disk. */
  seed: string;
}

/**
 * Finishes an image in its staging directory: the root file system is on the disk and read-only, the manifest says what it
 * is, and nothing that is damaged is in its place.
 */
export async function sealImage(staging: string, known: KnownOfImage): Promise<void> {
  const rootfs = join(staging, rootfsName);
  const file = await open(rootfs, "r+");
  await file.sync();
  await file.close();
  await chmod(rootfs, 0o400);
  await sealAround(rootfs, staging, known);
}

/** The same with a root file system that is a file of the user's, and stays as it is. */
export async function sealAround(rootfs: string, staging: string, known: KnownOfImage): Promise<void> {
  await writeManifest(rootfs, staging, known);
  await makeWay(dirname(staging), known.id);
}

/** Of directories that nothing can be read of: what can still be done is removing them. */
export async function listDamaged(imagesDir: string): Promise<string[]> {
  const ids = (await digestsIn(imagesDir)).map((digest) => `sha256:${digest}`);
  const read = await Promise.all(ids.map((id) => isReadable(imagesDir, id)));
  return ids.filter((_, index) => read[index] === false);
}

function isReadable(imagesDir: string, id: string): Promise<boolean> {
  return readImage(imagesDir, id).then(
    () => true,
    () => false,
  );
}

export type KnownOfImage = Omit<ImageManifest, "rootfsBytes" | "rootfsModifiedMs" | "createdAt">;

/** Says what `rootfs` is at present. */
async function writeManifest(rootfs: string, staging: string, known: KnownOfImage): Promise<void> {
  const { size, mtimeMs } = await stat(rootfs);
  const manifest: ImageManifest = {
    ...known,
    rootfsBytes: size,
    rootfsModifiedMs: mtimeMs,
    createdAt: new Date().toISOString(),
  };
  // On the disk before the directory gets its name: whole, or not there at all.
  await atomicWrite(join(staging, manifestName), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
}

/** Clears the place of an image that is about to get it. One that is there stays if it can be read: it is the same. */
async function makeWay(imagesDir: string, id: string): Promise<void> {
  if (!(await isReadable(imagesDir, id))) await removeImage(imagesDir, id);
}

/** The image of a digest. Throws not_found, or corrupt when its manifest makes no sense. */
export async function readImage(imagesDir: string, id: string): Promise<StoredImage> {
  const directory = join(imagesDir, id.replace(/^sha256:/, ""));
  let manifest: ImageManifest;
  try {
    manifest = ImageManifest.parse(JSON.parse(await readFile(join(directory, manifestName), "utf8")));
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (absent)
      throw new BangerError("not_found", `image ${id} is not in the store`, {
        hint: "build it: banger image pull NAME",
        cause: error,
      });
    throw new BangerError("corrupt", `the image in ${directory} is damaged`, {
      hint: `remove it and build it again: banger image delete ${id.slice(7, 19)}`,
      cause: error,
    });
  }
  const { origin, workBytes } = manifest;
  return {
    ...manifest,
    directory,
    rootfs: origin?.kind === "registered" ? origin.rootfs : join(directory, rootfsName),
    seed: join(directory, workBytes === undefined ? seedName : workName),
  };
}

/** ext4's magic number, at byte 0x38 of the superblock, which is at byte 1024 (the kernel's Documentation/filesystems/ext4). */
const magicOffset = 1024 + 0x38;

/** A look before each start: size, time and magic. Throws corrupt; it does not read the whole image. */
export async function verifyImage(image: StoredImage): Promise<void> {
  const damaged = (what: string) =>
    new BangerError("corrupt", `the root file system of image ${image.name} is damaged: ${what}`, {
      hint:
        image.origin?.kind === "registered"
          ? registerAgain(image)
          : `build it again: banger image delete ${image.name} && banger image pull ${image.name}`,
    });
  const found = await stat(image.rootfs).catch(() => undefined);
  if (found === undefined) throw damaged("it is missing");
  if (found.size !== image.rootfsBytes)
    throw damaged(`it has ${found.size} bytes instead of ${image.rootfsBytes}`);
  if (Math.abs(found.mtimeMs - image.rootfsModifiedMs) > 1)
    throw damaged("it has been written since it was built");
  if (!(await looksLikeExt4(image.rootfs))) throw damaged("it is no ext4 file system");
}

function registerAgain({ name, rootfs, kernel }: StoredImage): string {
  return `if ${rootfs} is to be as it is now: banger image delete ${name} && banger image register --name ${name} --rootfs ${rootfs} --kernel-ref ${kernel.name}`;
}

/** By its magic number alone. */
export async function looksLikeExt4(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, magicOffset);
    return buffer.readUInt16LE(0) === 0xef53;
  } finally {
    await file.close();
  }
}

/** All images whose manifests can be read. */
export async function listImages(imagesDir: string): Promise<StoredImage[]> {
  const read = await Promise.all(
    (await digestsIn(imagesDir)).map((digest) =>
      readImage(imagesDir, `sha256:${digest}`).catch(() => undefined),
    ),
  );
  return read.filter((image) => image !== undefined);
}

async function digestsIn(imagesDir: string): Promise<string[]> {
  const names = await readdir(imagesDir).catch(() => []);
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name));
}

/** Whether the catalog has a newer recipe for an image that was built by one. */
export function isOutdated({ name, revision, oci }: ImageManifest): boolean {
  if (oci !== undefined) return false;
  const entry = imageCatalog.find((candidate) => candidate.name === name);
  return entry !== undefined && entry.recipe.revision > revision;
}

/** Removes an image: renamed aside first, so that nobody finds half of it. Absent is success. */
export async function removeImage(imagesDir: string, id: string): Promise<void> {
  const digest = id.replace(/^sha256:/, "");
  const aside = join(imagesDir, `.staging-removed-${digest}`);
  await rename(join(imagesDir, digest), aside).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  });
  await removeTree(aside);
}
