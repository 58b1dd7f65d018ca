/** An image, made present: its manifest found, its configuration and layers in the cache, and open. */
import type { FileHandle } from "node:fs/promises";
import { BangerError, formatBytes } from "../base/base.ts";
import { type BlobRequest, type Digest, fetchBlob, hasBlob, type Patience } from "../download/download.ts";
import type { Descriptor, ImageConfig } from "./documents.ts";
import type { Limits } from "./limits.ts";
import { readConfig, resolveManifest } from "./resolve.ts";
import type { ImageSource } from "./source.ts";

export interface FetchProgress {
  /** What is fetched, and how much of it there is; again when an image turns out to have more. */
  layers(done: number, total: number): void;
}

export interface FetchRequest {
  source: ImageSource;
  /** When the reference names a digest: the manifest's or the index's. */
  pinned: Digest | undefined;
  /** banger's cache directory. */
  cache: string;
  limits: Limits;
  patience: Patience;
  signal: AbortSignal;
  /** Called before anything large is fetched, with the bytes that will be. Throws when there is no room for them. */
  needSpace(bytes: number): Promise<void>;
  progress: FetchProgress;
}

export interface FetchedLayer {
  blob: FileHandle;
  descriptor: Descriptor;
  /** Of the layer unpacked. */
  diffId: Digest;
}

export interface FetchedImage {
  reference: string;
  /** Of the manifest for linux/amd64. */
  digest: Digest;
  config: ImageConfig;
  /** The lowest first. */
  layers: FetchedLayer[];
  /** Bytes that came from the source; the rest was in the cache. */
  fetchedBytes: number;
  close(): Promise<void>;
}

/** Layers at a time: a registry's connection is rarely the limit, and a user's network is shared. */
const parallel = 3;

/** The caller closes it. Throws as fetchBlob and resolveManifest. */
export async function fetchImage(request: FetchRequest): Promise<FetchedImage> {
  const { source, cache, limits, patience, signal, progress } = request;
  const { manifest, digest } = await resolveManifest(source, request.pinned, limits, signal);
  const blobs = unique([manifest.config, ...manifest.layers]);
  const absent: Descriptor[] = [];
  for (const blob of blobs) if (!(await hasBlob(cache, blob))) absent.push(blob);
  const total = absent.reduce((sum, { size }) => sum + size, 0);
  await request.needSpace(total);
  let fetched = 0;
  const onBytes = (bytes: number) => {
    fetched += bytes;
    progress.layers(fetched, total);
  };
  if (total > 0) progress.layers(0, total);
  const open = new Map<Digest, FileHandle>();
  const close = async () => {
    for (const file of open.values()) await file.close();
  };
  try {
    await fetchAll(blobs, { source, cache, patience, onBytes }, signal, open);
    const config = await readConfig(handle(open, manifest.config), manifest, source.reference);
    const layers = manifest.layers.map((descriptor, index): FetchedLayer => {
      const diffId = config.rootfs.diff_ids?.[index];
      if (diffId === undefined)
        throw new BangerError("internal", "a layer without a diff_id was let through");
      return { blob: handle(open, descriptor), descriptor, diffId };
    });
    return { reference: source.reference, digest, config, layers, fetchedBytes: fetched, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The first failure ends the others, and is the one that is told. */
async function fetchAll(
  blobs: readonly Descriptor[],
  request: Omit<BlobRequest, "signal">,
  signal: AbortSignal,
  open: Map<Digest, FileHandle>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const waiting = [...blobs];
  let first: unknown;
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined && !both.aborted; next = waiting.shift()) {
      try {
        open.set(next.digest, await fetchBlob(next, { ...request, signal: both }));
      } catch (error) {
        if (!failed.signal.aborted) first = error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
  if (failed.signal.aborted) throw first;
}

/** An image may have a layer twice, an empty one for example. One digest with two sizes is a lie. Throws corrupt. */
function unique(descriptors: readonly Descriptor[]): Descriptor[] {
  const known = new Map<Digest, Descriptor>();
  for (const descriptor of descriptors) {
    const { digest, size } = descriptor;
    const other = known.get(digest) ?? descriptor;
    if (other.size !== size) {
      throw new BangerError(
        "corrupt",
        `the manifest says of ${digest} that it has ${formatBytes(size)} and ${formatBytes(other.size)}`,
      );
    }
    known.set(digest, other);
  }
  return [...known.values()];
}

function handle(open: ReadonlyMap<Digest, FileHandle>, { digest }: Descriptor): FileHandle {
  const file = open.get(digest);
  if (file === undefined) throw new BangerError("internal", `blob ${digest} was not opened`);
  return file;
}
