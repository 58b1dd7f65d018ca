/** Layers of an image, fetched beside each other and handed on one by one. */
import type { FileHandle } from "node:fs/promises";
import { BangerError, formatBytes } from "../base/base.ts";
import { type Digest, fetchBlob, hasBlob } from "../download/download.ts";
import type { Descriptor } from "./documents.ts";
import type { Fetching, LayerName } from "./resolve-image.ts";

/** One of an image's layers. */
export interface NumberedLayer extends LayerName {
  /** Which of them, from the lowest, which is 0. */
  number: number;
}

export interface FetchedLayer extends LayerName {
  /** Open until onLayer is done with it. */
  blob: FileHandle;
}

export interface FetchRequest extends Fetching {
  /** Those that are to be fetched. */
  layers: readonly NumberedLayer[];
  /** Called before any of them is fetched, with the bytes that will be. Throws when there is no room for them. */
  needSpace(bytes: number): Promise<void>;
  /** How much of what is fetched has come; not called when all of it is in the cache. */
  onProgress(doneBytes: number, totalBytes: number): void;
  /** Each of them as soon as it is there, which is in no order, and several at a time. */
  onLayer(layer: FetchedLayer, number: number, signal: AbortSignal): Promise<void>;
}

/** Layers at a time: a registry's connection is rarely the limit, and a user's network is shared. */
const parallel = 3;

/** Throws as fetchBlob, what onLayer throws, and corrupt for one digest with two sizes. */
export async function fetchLayers(request: FetchRequest): Promise<void> {
  const { source, cache, patience, signal } = request;
  const jobs = byBlob(request.layers);
  let fetched = 0;
  let total = 0;
  for (const { blob } of jobs) if (!(await hasBlob(cache, blob))) total += blob.size;
  await request.needSpace(total);
  if (total > 0) request.onProgress(0, total);
  const onBytes = (bytes: number) => {
    fetched += bytes;
    request.onProgress(fetched, total);
  };
  await together(jobs, signal, async ({ blob, layers }, both) => {
    const file = await fetchBlob(blob, { source, cache, patience, onBytes, signal: both });
    try {
      for (const { number, ...layer } of layers)
        await request.onLayer({ ...layer, blob: file }, number, both);
    } finally {
      await file.close();
    }
  });
}

interface Job {
  blob: Descriptor;
  /** Those that it is: an image may have a layer twice, an empty one for example. */
  layers: NumberedLayer[];
}

/** Throws corrupt: one digest with two sizes is a lie. */
function byBlob(layers: readonly NumberedLayer[]): Job[] {
  const jobs = new Map<Digest, Job>();
  for (const layer of layers) {
    const { digest, size } = layer.descriptor;
    const job = jobs.get(digest) ?? { blob: layer.descriptor, layers: [] };
    if (job.blob.size !== size) {
      throw new BangerError(
        "corrupt",
        `the manifest says of ${digest} that it has ${formatBytes(job.blob.size)} and ${formatBytes(size)}`,
      );
    }
    job.layers.push(layer);
    jobs.set(digest, job);
  }
  // The last of them is waited for alone, and its blob lies beside all that the others have become.
  return [...jobs.values()].sort((one, other) => other.blob.size - one.blob.size);
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
