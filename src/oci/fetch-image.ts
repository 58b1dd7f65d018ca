/** An image, made present: its manifest found, its configuration read, its layers fetched and handed on one by one. */
import type { FileHandle } from "node:fs/promises";
import { BangerError, formatBytes } from "../base/base.ts";
import { type BlobRequest, type Digest, fetchBlob, hasBlob, type Patience } from "../download/download.ts";
import type { Descriptor, ImageConfig, Manifest } from "./documents.ts";
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
  /** Which of the image's layers, the lowest first, are to be fetched; called once, when they are known. */
  choose(layers: readonly LayerName[]): Promise<readonly boolean[]>;
  /** Each of them as soon as it is there, which is in no order, and several at a time. `index`: which layer, from the lowest. */
  onLayer(layer: FetchedLayer, index: number, signal: AbortSignal): Promise<void>;
}

export interface LayerName {
  descriptor: Descriptor;
  /** Of the layer unpacked. */
  diffId: Digest;
}

export interface FetchedLayer extends LayerName {
  /** Open until onLayer is done with it. */
  blob: FileHandle;
}

export interface FetchedImage {
  reference: string;
  /** Of the manifest for linux/amd64. */
  digest: Digest;
  config: ImageConfig;
  /** The lowest first. */
  layers: readonly LayerName[];
  /** Bytes that came from the source; the rest was in the cache, or not wanted. */
  fetchedBytes: number;
}

/** Layers at a time: a registry's connection is rarely the limit, and a user's network is shared. */
const parallel = 3;

/** Throws as fetchBlob and resolveManifest, and what onLayer throws. */
export async function fetchImage(request: FetchRequest): Promise<FetchedImage> {
  const { source, cache, limits, patience, signal, progress } = request;
  const { manifest, digest } = await resolveManifest(source, request.pinned, limits, signal);
  const blobs = unique([manifest.config, ...manifest.layers]);
  let fetched = 0;
  let total = (await hasBlob(cache, manifest.config)) ? 0 : manifest.config.size;
  let tell = () => {};
  const onBytes = (bytes: number) => {
    fetched += bytes;
    tell();
  };
  const means = { source, cache, patience, onBytes };
  const config = await fetchConfig(manifest, { ...means, signal });
  const layers = manifest.layers.map((descriptor, index): LayerName => {
    const diffId = config.rootfs.diff_ids?.[index];
    if (diffId === undefined) throw new BangerError("internal", "a layer without a diff_id was let through");
    return { descriptor, diffId };
  });
  const chosen = await request.choose(layers);
  const wanted = layers.flatMap((layer, index) => (chosen[index] === true ? [{ layer, index }] : []));
  const jobs = blobs
    .map((blob) => ({ blob, of: wanted.filter(({ layer }) => layer.descriptor.digest === blob.digest) }))
    .filter(({ of }) => of.length > 0)
    // The last of them is waited for alone, and its blob lies beside all that the others have become.
    .sort((one, other) => other.blob.size - one.blob.size);
  for (const { blob } of jobs) if (!(await hasBlob(cache, blob))) total += blob.size;
  await request.needSpace(total);
  if (total > 0) progress.layers(0, total);
  tell = () => progress.layers(fetched, total);
  await together(jobs, signal, async ({ blob, of }, both) => {
    const file = await fetchBlob(blob, { ...means, signal: both });
    try {
      for (const { layer, index } of of) await request.onLayer({ ...layer, blob: file }, index, both);
    } finally {
      await file.close();
    }
  });
  return { reference: source.reference, digest, config, layers, fetchedBytes: fetched };
}

async function fetchConfig(
  manifest: Manifest,
  request: BlobRequest & { source: ImageSource },
): Promise<ImageConfig> {
  const file = await fetchBlob(manifest.config, request);
  try {
    return await readConfig(file, manifest, request.source.reference);
  } finally {
    await file.close();
  }
}

/** The first failure ends the others, and is the one that is told. */
async function together<T>(
  jobs: readonly T[],
  signal: AbortSignal,
  work: (job: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const waiting = [...jobs];
  let first: unknown;
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined && !both.aborted; next = waiting.shift()) {
      try {
        await work(next, both);
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
