/** Pulling a bundle: downloaded, checked, unpacked and written in one go, into a directory that becomes the store's when all of it is right. */
import { BangerError } from "../base/base.ts";
import {
  type BlobSource,
  Digest,
  forgetBeginning,
  forgetBlob,
  type Patience,
  StartedOver,
  streamBlob,
} from "../download/download.ts";
import { removeTree } from "../sys/sys.ts";
import { type BundleShape, unpackBundle } from "./unpack.ts";

export interface PullRequest<M> {
  source: BlobSource;
  /** Of the packed file. */
  sha256: string;
  size: number;
  /** What it takes on the disk, in bytes, as its catalog says. */
  unpackedBytes: number;
  shape: BundleShape<M>;
  /** banger's cache directory: what has come stays there for the next attempt, until the bundle is whole. */
  cache: string;
  patience: Patience;
  signal: AbortSignal;
  /** Bytes of the packed file that are there. */
  progress(done: number): void;
}

/** Tables of a file system on another disk take other blocks than on the one that the catalog was made on. */
const slackBytes = 64 * 1024 ** 2;

/**
 * Into `makeDirectory`'s, which is new and empty, and gives the manifest. Throws unavailable and not_found when it cannot
 * be had, corrupt when it is another one than its digest says or no bundle, no_space and the like as they come.
 */
export async function pullBundle<M>(
  request: PullRequest<M>,
  makeDirectory: () => Promise<string>,
): Promise<{ manifest: M; directory: string }> {
  const digest = Digest.parse(`sha256:${request.sha256}`);
  for (let begun = 1; ; begun += 1) {
    const directory = await makeDirectory();
    try {
      const manifest = await unpackInto(directory, digest, request);
      // Unpacked it is in the store: keeping both would take half as much again.
      await forgetBlob(request.cache, digest);
      return { manifest, directory };
    } catch (error) {
      await removeTree(directory);
      const again = await mayBeCache(error, request.cache, digest);
      if (begun === 2 || !again) throw told(error);
    }
  }
}

async function unpackInto<M>(directory: string, digest: Digest, request: PullRequest<M>): Promise<M> {
  const { source, size, cache, patience, shape, unpackedBytes, signal } = request;
  const failed = new AbortController();
  let done = 0;
  const chunks = streamBlob(
    { digest, size },
    {
      source,
      cache,
      patience,
      signal: AbortSignal.any([signal, failed.signal]),
      onBytes: (bytes) => {
        done += bytes;
        request.progress(done);
      },
    },
  );
  try {
    return await unpackBundle({ chunks, shape, directory, maxBytes: unpackedBytes + slackBytes, signal });
  } finally {
    failed.abort();
    // Only then is the cache free again.
    await chunks.return(undefined);
  }
}

/** Whether it was not the download, but what was kept of an earlier one, which is forgotten then. */
async function mayBeCache(error: unknown, cache: string, digest: Digest): Promise<boolean> {
  const wrong = error instanceof StartedOver || (error instanceof BangerError && error.code === "corrupt");
  return wrong && ((await forgetBeginning(cache, digest)) || error instanceof StartedOver);
}

function told(error: unknown): unknown {
  if (!(error instanceof StartedOver)) return error;
  return new BangerError("corrupt", `what came of the bundle is another file: ${error.message}`, {
    hint: "try again",
    cause: error,
  });
}
