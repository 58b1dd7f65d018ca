/** A blob, read while it is fetched: who unpacks it needs not wait for its end, nor read it from the disk afterwards. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { blobPlace } from "./cache.ts";
import { type BlobId, type BlobRequest, fetchBlob } from "./fetch-blob.ts";

/** What had been read turned out to be another blob's, and is fetched anew: the reader has to begin anew, too. */
export class StartedOver extends Error {
  override readonly name = "StartedOver";
}

const chunkBytes = 1024 * 1024;

/**
 * The blob's bytes in their order, as they come; the cache has it afterwards. Only who reads them to their end knows that
 * they are the blob: the last step throws as fetchBlob does. Throws StartedOver.
 */
export async function* streamBlob(blob: BlobId, request: BlobRequest): AsyncGenerator<Buffer> {
  const left = new AbortController();
  const arrived = new Arrived();
  const signal = AbortSignal.any([request.signal, left.signal]);
  const fetched = fetchBlob(blob, {
    ...request,
    signal,
    onBytes: (bytes) => {
      arrived.add(bytes);
      request.onBytes(bytes);
    },
  });
  const ended = fetched.then(
    () => arrived.end(),
    () => arrived.end(),
  );
  let partial: FileHandle | undefined;
  let whole: FileHandle | undefined;
  try {
    let position = 0;
    while (position < blob.size) {
      const end = await arrived.past(position);
      if (end === undefined) break;
      partial ??= await open(blobPlace(request.cache, blob.digest).partial, readOnly).catch(() => undefined);
      if (partial === undefined) break;
      yield* read(partial, position, end);
      position = end;
    }
    whole = await fetched;
    // Not a byte may have come: it was in the cache, or another pull has fetched it.
    yield* read(whole, position, blob.size);
  } finally {
    left.abort();
    await ended;
    await partial?.close();
    whole ??= await fetched.catch(() => undefined);
    await whole?.close();
  }
}

const readOnly = constants.O_RDONLY | constants.O_NOFOLLOW;

async function* read(file: FileHandle, from: number, end: number): AsyncGenerator<Buffer> {
  for (let position = from; position < end; ) {
    const wanted = Math.min(chunkBytes, end - position);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, position);
    if (bytesRead === 0) throw new StartedOver("the file was cut short while it was read");
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** How much of the blob is in the partial file, and waiting for more of it. */
class Arrived {
  #bytes = 0;
  #startedOver = false;
  #ended = false;
  #wake = Promise.withResolvers<void>();

  add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes < 0) this.#startedOver = true;
    this.#tell();
  }

  end(): void {
    this.#ended = true;
    this.#tell();
  }

  /** Where the bytes end that are there, when that is behind `position`; undefined when no more will come. */
  async past(position: number): Promise<number | undefined> {
    for (;;) {
      if (this.#startedOver) throw new StartedOver("it was fetched anew");
      if (this.#bytes > position) return this.#bytes;
      if (this.#ended) return undefined;
      await this.#wake.promise;
    }
  }

  #tell(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}
