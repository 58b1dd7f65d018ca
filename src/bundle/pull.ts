/** Pulling a bundle: downloaded, checked, unpacked and written in one go, into a directory that becomes the store's when all of it is right. */
import { BangerError } from "../base/base.ts";
import {
  type BlobSource,
  Digest,
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
    let done = 0;
    try {
      const manifest = await unpackBundle({
        chunks: streamBlob(
          { digest, size: request.size },
          {
            ...{ source: request.source, cache: request.cache },
            ...{ patience: request.patience, signal: request.signal },
            onBytes: (bytes) => {
              done += bytes;
              request.progress(done);
            },
          },
        ),
        shape: request.shape,
        directory,
        maxBytes: request.unpackedBytes + slackBytes,
        signal: request.signal,
      });
      // Unpacked it is in the store: keeping both would take half as much again.
      await forgetBlob(request.cache, digest);
      return { manifest, directory };
    } catch (error) {
      await removeTree(directory);
      if (!(error instanceof StartedOver) || begun === 2) throw told(error);
    }
  }
}

function told(error: unknown): unknown {
  if (!(error instanceof StartedOver)) return error;
  return new BangerError("corrupt", `what came of the bundle is another file: ${error.message}`, {
    hint: "try again",
    cause: error,
  });
}
