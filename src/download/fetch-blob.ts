/** A blob, from its source into the cache: broken off and gone on with, but in the end exactly what its descriptor says. */
import { type FileHandle, rm } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { ensureBlob } from "./cache.ts";
import { type Digest, endHash, hashFor, shortDigest } from "./digest.ts";
import { Interrupted } from "./interrupted.ts";
import { lost, maxAttempts, type Patience, pause } from "./patience.ts";

export interface BlobId {
  digest: Digest;
  /** In bytes. */
  size: number;
}

export interface BlobStream {
  /** The byte of the blob that the stream begins with; not after the one that was asked for. */
  start: number;
  chunks: AsyncIterable<Uint8Array>;
}

export interface BlobSource {
  /** A blob from byte `from` on, or from an earlier one. Throws Interrupted for what another attempt may mend. */
  blob(blob: BlobId, from: number, signal: AbortSignal): Promise<BlobStream>;
}

export interface BlobRequest {
  source: BlobSource;
  cache: string;
  patience: Patience;
  signal: AbortSignal;
  /** Bytes that were added, or (negative) given up. */
  onBytes(bytes: number): void;
}

/** So much more, and a connection that breaks again has not failed again: it counts as the first. */
const worthBytes = 256 * 1024;
const readBytes = 1024 * 1024;

/** The blob, open for reading. Throws unavailable, corrupt for one that is another, no_space and the like as they come. */
export function fetchBlob(descriptor: BlobId, request: BlobRequest): Promise<FileHandle> {
  return ensureBlob(request.cache, descriptor, request.signal, async (file, { partial }) => {
    const download = new Download(descriptor, file, request);
    try {
      await download.takeUp();
      await download.finish();
    } catch (error) {
      // What did come before the network went is of use to the next pull.
      const kept = error instanceof BangerError && ["unavailable", "cancelled"].includes(error.code);
      if (!kept) await rm(partial, { force: true });
      throw error;
    }
  });
}

class Download {
  #hash;
  #size = 0;

  constructor(
    readonly descriptor: BlobId,
    readonly file: FileHandle,
    readonly request: BlobRequest,
  ) {
    this.#hash = hashFor(descriptor.digest);
  }

  /** What an earlier pull left of it. */
  async takeUp(): Promise<void> {
    const { size } = await this.file.stat();
    if (size > this.descriptor.size) return await this.#startOver();
    const buffer = Buffer.alloc(readBytes);
    while (this.#size < size) {
      this.request.signal.throwIfAborted();
      const { bytesRead } = await this.file.read(buffer, 0, readBytes, this.#size);
      if (bytesRead === 0) return await this.#startOver();
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#added(bytesRead);
    }
  }

  /** Asks until all of it is there. A part that was taken up may be of another blob: then it is asked for from the start, once. */
  async finish(): Promise<void> {
    const { descriptor } = this;
    const takenUp = this.#size > 0;
    await this.#complete();
    let found = endHash(this.#hash, descriptor.digest);
    if (found !== descriptor.digest && takenUp) {
      await this.#startOver();
      await this.#complete();
      found = endHash(this.#hash, descriptor.digest);
    }
    if (found !== descriptor.digest) throw otherBlob(descriptor.digest, found);
  }

  async #complete(): Promise<void> {
    const { descriptor, request } = this;
    for (let failed = 0, at = this.#size; this.#size < descriptor.size; ) {
      try {
        await this.#attempt();
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        if (this.#size - at >= worthBytes) failed = 0;
        at = this.#size;
        failed += 1;
        if (failed === maxAttempts) throw lost(shortDigest(descriptor.digest), error);
        await pause(request.patience, failed, error, request.signal);
      }
    }
  }

  async #attempt(): Promise<void> {
    const { digest, size } = this.descriptor;
    const { source, signal } = this.request;
    const { start, chunks } = await source.blob(this.descriptor, this.#size, signal);
    // What is there already, where a server cannot begin in the middle.
    let skip = this.#size - start;
    for await (const chunk of chunks) {
      const fresh = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      if (this.#size + fresh.length > size) {
        throw new BangerError(
          "corrupt",
          `blob ${digest} is larger than the ${size} bytes that its manifest says`,
        );
      }
      // In this order: what was counted is in the file.
      await writeAll(this.file, fresh, this.#size);
      this.#hash.update(fresh);
      this.#added(fresh.length);
    }
    if (this.#size < size) throw new Interrupted(`it ended after ${this.#size} of ${size} bytes`);
  }

  async #startOver(): Promise<void> {
    await this.file.truncate(0);
    this.#added(-this.#size);
    this.#hash = hashFor(this.descriptor.digest);
  }

  #added(bytes: number): void {
    this.#size += bytes;
    this.request.onBytes(bytes);
  }
}

/** write(2) may take a part only. */
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function otherBlob(digest: Digest, found: Digest): BangerError {
  return new BangerError("corrupt", `blob ${digest} is another one: what came is ${found}`, {
    hint: "try again; if it stays so, the registry or something on the way to it is not to be trusted",
  });
}
