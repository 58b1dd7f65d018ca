/** Importing a container image: fetched and checked, its layers merged, and written into an ext4 of the image's own. */
import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { BangerError, formatBytes, toBangerError } from "../base/base.ts";
import { createRootFileSystem, leastBytesFor } from "../disk/disk.ts";
import { forgetBlob } from "../download/download.ts";
import { openFresh } from "../ext4/ext4.ts";
import {
  type FetchedImage,
  fetchImage,
  type ImageName,
  imageLimits,
  type MergedRoot,
  mergeLayers,
  openSource,
  pinnedDigest,
  type RegistryOptions,
  type RootSink,
  type RootTotals,
} from "../oci/oci.ts";
import { stageDirectory } from "../sys/sys.ts";
import { type ImageManifest, rootfsName, sealImage, seedName } from "./store.ts";

export interface ImageImport {
  from: ImageName;
  /** In the store. */
  name: string;
  /** What is told of where it came from; undefined: what `from` means. */
  recordedAs: string | undefined;
  /** Of the root file system; undefined: what the content asks for. */
  sizeBytes: number | undefined;
  /** The kernel that its VMs boot; asked for when the image is there, because it may have to be made. */
  kernel(): Promise<{ id: string; name: string }>;
  /** banger's cache directory. */
  cache: string;
  registry: RegistryOptions;
  signal: AbortSignal;
  /** Throws no_space when the cache, or the store, has no room for so many bytes. */
  needSpace(where: "cache" | "store", bytes: number): Promise<void>;
  progress(part: ImportPart, done: number, total: number): void;
}

/** Finding out what the image is; fetching what is missing of it; reading its layers and writing the root. In bytes. */
export type ImportPart = "manifest" | "layers" | "root";

export interface ImportedImage {
  /** In the store. */
  directory: string;
  totals: RootTotals;
}

/** Raised when the same image would become another root. */
const importRevision = 1;
const leastBytes = 1024 ** 3;
const MiB = 1024 ** 2;

/**
 * Into the store `imagesDir`. A killed import leaves only a staging directory, and checked blobs in the cache. Throws as the
 * oci room does; bad_request for a size that is too small; no_space.
 */
export async function importImage(request: ImageImport, imagesDir: string): Promise<ImportedImage> {
  const { from, registry, signal, progress } = request;
  progress("manifest", 0, 0);
  const source = await openSource(from, registry, signal);
  let image: FetchedImage;
  try {
    image = await fetchImage({
      ...{ source, pinned: pinnedDigest(from), cache: request.cache, limits: imageLimits, signal },
      patience: registry.patience,
      needSpace: (bytes) => request.needSpace("cache", bytes),
      progress: { layers: (done, total) => progress("layers", done, total) },
    });
  } finally {
    await source.close();
  }
  try {
    return await store(request, image, imagesDir);
  } finally {
    await image.close();
  }
}

async function store(request: ImageImport, image: FetchedImage, imagesDir: string): Promise<ImportedImage> {
  const { signal, progress, cache } = request;
  const kernel = await request.kernel();
  const merged = await mergeLayers({
    ...{ layers: image.layers, limits: imageLimits, signal },
    progress: (done, total) => progress("root", done, total),
    onDamaged: ({ descriptor }) => forgetBlob(cache, descriptor.digest),
  });
  const sizeBytes = rootBytes(request, merged.totals);
  await request.needSpace("store", merged.totals.blockBytes);
  const directory = await stageDirectory(imagesDir, async (staging) => {
    await writeRoot(join(staging, rootfsName), sizeBytes, merged, signal);
    // /root is the work disk's, which begins empty.
    await mkdir(join(staging, seedName), { mode: 0o700 });
    const manifest = manifestOf(request, kernel, image, sizeBytes);
    await sealImage(staging, manifest);
    return manifest.id.replace(/^sha256:/, "");
  });
  return { directory, totals: merged.totals };
}

/** The content and half as much again, a gigabyte at least; or what was asked for, if the content fits. */
function rootBytes({ sizeBytes }: ImageImport, totals: RootTotals): number {
  const { blockBytes } = totals;
  const forEntries = leastBytesFor(entriesOf(totals));
  if (sizeBytes === undefined) return whole(Math.max(leastBytes, blockBytes * 1.5, forEntries));
  // Tables and journal take a twentieth of a large file system, and more of a small one.
  const neededBytes = whole(Math.max(blockBytes * 1.06 + 64 * MiB, forEntries));
  if (sizeBytes >= neededBytes) return sizeBytes;
  throw new BangerError(
    "bad_request",
    `the image has ${formatBytes(blockBytes)} in ${entriesOf(totals)} files, which do not fit into ${formatBytes(sizeBytes)}`,
    { hint: `give it ${formatBytes(neededBytes)} at least: --size ${neededBytes / MiB}M` },
  );
}

function whole(bytes: number): number {
  return Math.ceil(bytes / MiB) * MiB;
}

/** All that has an inode. */
function entriesOf({ directories, files, symlinks }: RootTotals): number {
  return directories + files + symlinks;
}

async function writeRoot(
  path: string,
  sizeBytes: number,
  { totals, write }: MergedRoot,
  signal: AbortSignal,
): Promise<void> {
  await createRootFileSystem({ path, sizeBytes, entries: entriesOf(totals), signal });
  const file = await open(path, "r+");
  try {
    const filler = openFresh(file.fd);
    await write(withoutLostAndFound(filler));
    filler.finish();
  } catch (error) {
    throw explain(error, sizeBytes);
  } finally {
    await file.close();
  }
}

/** What the file system would not take, in terms of the image. */
function explain(error: unknown, sizeBytes: number): BangerError {
  const { code, message, details, hint } = toBangerError(error);
  if (code === "bad_request") {
    return new BangerError("corrupt", `the image has what no file system keeps: ${message}`, {
      cause: error,
    });
  }
  // Of the disk in the file, not of the one that the file is on.
  if (code === "no_space" && details?.freeBytes !== undefined) {
    return new BangerError("no_space", `the image does not fit into ${formatBytes(sizeBytes)}: ${message}`, {
      hint: `give it more: --size ${Math.ceil((sizeBytes * 2) / MiB)}M`,
      cause: error,
    });
  }
  return new BangerError(code, message, { hint, details, cause: error });
}

/** The file system's own, which mke2fs has made; some images have one of the disk that they were made from. */
function withoutLostAndFound(sink: RootSink): RootSink {
  return {
    addDirectory: (path, metadata) => {
      if (Buffer.from(path).toString("latin1") !== "lost+found") sink.addDirectory(path, metadata);
    },
    addFile: (path, metadata, sizeBytes) => sink.addFile(path, metadata, sizeBytes),
    addSymlink: (path, target, metadata) => sink.addSymlink(path, target, metadata),
    addHardLink: (path, target) => sink.addHardLink(path, target),
  };
}

function manifestOf(
  { name, recordedAs }: ImageImport,
  kernel: { id: string; name: string },
  { reference, digest, config }: FetchedImage,
  sizeBytes: number,
): Omit<ImageManifest, "rootfsBytes" | "rootfsModifiedMs" | "createdAt"> {
  const inputs = JSON.stringify([importRevision, digest, name, kernel.id, sizeBytes]);
  const { Env, Entrypoint, Cmd, WorkingDir, User } = config.config ?? {};
  return {
    id: `sha256:${createHash("sha256").update(inputs).digest("hex")}`,
    ...{ name, revision: 0, distro: "oci", arch: "amd64" },
    kernel: { id: kernel.id, name: kernel.name },
    oci: {
      ...{
        reference: recordedAs ?? reference,
        digest,
        env: Env ?? [],
        entrypoint: Entrypoint ?? [],
        cmd: Cmd ?? [],
      },
      ...{ workingDir: WorkingDir ?? "", user: User ?? "" },
    },
  };
}
