/** Importing a container image: fetched and checked, its layers merged, and written into an ext4 of the image's own. */
import { createHash } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { BangerError, formatBytes, toBangerError } from "../base/base.ts";
import { createRootFileSystem, leastBytesFor } from "../disk/disk.ts";
import { type Directory, type NodeWriter, openFresh } from "../ext4/ext4.ts";
import {
  imageLimits,
  type MergedRoot,
  mergeLayers,
  openSource,
  pinnedDigest,
  type ResolvedImage,
  type RootSink,
  type RootTotals,
  resolveImage,
} from "../oci/oci.ts";
import { stageDirectory } from "../sys/sys.ts";
import { Background } from "./background.ts";
import { ContentGathering } from "./gather-content.ts";
import type { ImageImport, ImportedKernel } from "./import-request.ts";
import { hiddenName, LayerShelf, layersName, listingPath } from "./kept-layers.ts";
import { type PlacedContent, placeContent } from "./place-content.ts";
import { RootFile } from "./root-file.ts";
import { type SortedContent, sortContent } from "./sort-content.ts";
import { type ImageManifest, rootfsName, sealImage, seedName } from "./store.ts";
import { type Making, unpackLayers } from "./unpack-layers.ts";

export interface ImportedImage {
  /** In the store. */
  directory: string;
  totals: RootTotals;
}

/** Raised when the same image would become another root. */
const importRevision = 1;
const leastBytes = 1024 ** 3;
/** No file of a host's ext4 is larger. */
const mostBytes = 15 * 1024 ** 4;
const MiB = 1024 ** 2;
/** In the root of each ext4: mke2fs makes it, and e2fsck puts there what it finds. */
const lostAndFound = "lost+found";

/**
 * Into the store `imagesDir`. A killed import leaves only a staging directory, and checked blobs in the cache. Throws as the
 * oci room does; bad_request for a size that is too small; no_space.
 */
export async function importImage(request: ImageImport, imagesDir: string): Promise<ImportedImage> {
  const { from, registry, signal } = request;
  request.progress("manifest", 0, 0);
  const source = await openSource(from, registry, signal);
  const shelf = await LayerShelf.of(imagesDir);
  try {
    let totals: RootTotals | undefined;
    const directory = await stageDirectory(imagesDir, async (staging) => {
      const made = await makeImage(request, { source, shelf, staging });
      totals = made.totals;
      return made.id.replace(/^sha256:/, "");
    });
    if (totals === undefined) throw new BangerError("internal", "an image was made of nothing");
    return { directory, totals };
  } finally {
    await shelf.close();
    await source.close();
  }
}

async function makeImage(request: ImageImport, making: Making): Promise<{ id: string; totals: RootTotals }> {
  const { signal } = request;
  const { source, staging } = making;
  const image = await resolveImage({
    source,
    pinned: pinnedDigest(request.from),
    cache: request.cache,
    limits: imageLimits,
    patience: request.registry.patience,
    signal,
  });
  const kernel = await request.kernel();
  const { totals, sizeBytes } = await makeRoot(request, making, image);
  // /root is the work disk's, which begins empty.
  await mkdir(join(staging, seedName), { mode: 0o700 });
  const manifest = manifestOf(request, kernel, image, sizeBytes);
  await sealImage(staging, manifest);
  return { id: manifest.id, totals };
}

/** The root file system, and what other images can have of its layers. */
async function makeRoot(
  request: ImageImport,
  making: Making,
  { layers, config }: ResolvedImage,
): Promise<{ totals: RootTotals; sizeBytes: number }> {
  const { staging } = making;
  await mkdir(join(staging, layersName), { mode: 0o700 });
  const file = await open(join(staging, rootfsName), "wx+", 0o600);
  const background = new Background(request.signal);
  try {
    const gathering = new ContentGathering(new RootFile(file, background));
    await unpackLayers(layers, request, making, gathering);
    const merged = await mergeLayers({
      listings: layers.map((_, number) => listingPath(staging, number)),
      limits: imageLimits,
      signal: request.signal,
      workingDir: config.config?.WorkingDir ?? "",
      reserved: new Set([lostAndFound]),
    });
    const sizeBytes = rootBytes(request, merged.totals);
    const sorted = await sortContent(await gathering.finish(layers.length), {
      visible: merged.contents(),
      names: layers,
      hiddenPath: join(staging, layersName, hiddenName),
    });
    const placed = await writeRoot(request, staging, { sorted, merged, sizeBytes });
    await background.finish();
    await placed.record(staging);
    return { totals: merged.totals, sizeBytes };
  } finally {
    await background.stop();
    await file.close();
  }
}

/** The content and half as much again, a gigabyte at least; or what was asked for, if the content fits. */
function rootBytes({ sizeBytes }: ImageImport, totals: RootTotals): number {
  const { blockBytes } = totals;
  const forEntries = leastBytesFor(entriesOf(totals));
  if (blockBytes * 1.5 > mostBytes) {
    throw new BangerError(
      "no_space",
      `the image's files have ${formatBytes(blockBytes)}, holes and all: no file system here is that large`,
      { hint: "an honest image has no such files" },
    );
  }
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

interface Root {
  sorted: SortedContent;
  merged: MergedRoot;
  sizeBytes: number;
}

/** Puts a file system around the content that is there. */
async function writeRoot(
  { signal, needSpace }: ImageImport,
  staging: string,
  { sorted, merged, sizeBytes }: Root,
): Promise<PlacedContent> {
  const path = join(staging, "layout.ext4");
  await needSpace("store", 16 * MiB);
  await createRootFileSystem({ path, sizeBytes, entries: entriesOf(merged.totals), signal });
  const layout = await open(path, "r");
  try {
    const content = await placeContent(sorted, layout, sizeBytes);
    const { nodes } = openFresh(sorted.root.file.fd);
    for (const extents of content.extents()) nodes.claim(extents);
    await merged.write(rootSink(nodes, content));
    nodes.finish();
    return content;
  } catch (error) {
    throw explain(error, sizeBytes);
  } finally {
    await layout.close();
    await rm(path);
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

function rootSink(nodes: NodeWriter, content: PlacedContent): RootSink<Directory> {
  return {
    root: (metadata) => {
      nodes.describe(nodes.root, metadata);
      return nodes.root;
    },
    // An image that was made from a disk has one of that disk's; mke2fs has made the file system's own.
    addDirectory: (parent, name, metadata) =>
      parent === nodes.root && name === lostAndFound
        ? nodes.lostAndFound
        : nodes.addDirectory({ parent, name }, metadata),
    addFile: (parent, name, metadata, sizeBytes, from) =>
      nodes.addPlacedFile(
        { parent, name },
        metadata,
        sizeBytes,
        from === undefined ? [] : content.extentsOf(from),
      ),
    addSymlink: (parent, name, target, metadata) => nodes.addSymlink({ parent, name }, target, metadata),
    addHardLink: (parent, name, target) => nodes.addHardLink({ parent, name }, target),
  };
}

function manifestOf(
  { name, recordedAs }: ImageImport,
  kernel: ImportedKernel,
  { reference, digest, config }: ResolvedImage,
  sizeBytes: number,
): Omit<ImageManifest, "rootfsBytes" | "rootfsModifiedMs" | "createdAt"> {
  const inputs = JSON.stringify([importRevision, digest, name, kernel.id, sizeBytes]);
  const { Env, Entrypoint, Cmd, WorkingDir, User } = config.config ?? {};
  return {
    id: `sha256:${createHash("sha256").update(inputs).digest("hex")}`,
    name,
    revision: 0,
    distro: "oci",
    arch: "amd64",
    kernel: { id: kernel.id, name: kernel.name },
    oci: {
      reference: recordedAs ?? reference,
      digest,
      env: Env ?? [],
      entrypoint: Entrypoint ?? [],
      cmd: Cmd ?? [],
      workingDir: WorkingDir ?? "",
      user: User ?? "",
    },
  };
}
