/** A file's content on its way into blocks. Whole blocks of zeros become holes. */
import { BangerError, formatBytes } from "../base/base.ts";
import type { FileSink } from "../tar/tar.ts";
import type { BlockRun } from "./allocate.ts";
import type { BlockWriter } from "./block-writer.ts";
import { ExtentList } from "./extents.ts";
import { blockBytes, zeroBlock } from "./layout.ts";

/** Throws bad_request for more or fewer bytes than `sizeBytes`, no_space; until it is closed, nothing else can be added. */
export class BlockSink implements FileSink {
  readonly #extents = new ExtentList();
  #written = 0;
  #closed = false;

  constructor(
    readonly writer: BlockWriter,
    /** For the block that is begun; of one block, and this one's until it is closed. */
    readonly part: Buffer,
    readonly sizeBytes: number,
    /** For messages. */
    readonly name: () => string,
    readonly whenClosed: (extents: ExtentList) => void,
  ) {}

  write(chunk: Uint8Array): void {
    this.#expect(chunk.length);
    let at = 0;
    const begun = this.#written % blockBytes;
    if (begun > 0) {
      at = Math.min(blockBytes - begun, chunk.length);
      this.part.set(chunk.subarray(0, at), begun);
      this.#written += at;
      if (this.#written % blockBytes === 0) this.#append(this.part, 0, 1, this.#written / blockBytes - 1);
    }
    const blocks = Math.floor((chunk.length - at) / blockBytes);
    if (blocks > 0) {
      this.#append(chunk, at, blocks, this.#written / blockBytes);
      at += blocks * blockBytes;
      this.#written += blocks * blockBytes;
    }
    if (at < chunk.length) {
      this.part.set(chunk.subarray(at));
      this.#written += chunk.length - at;
    }
  }

  hole(bytes: number): void {
    this.#expect(bytes);
    const begun = this.#written % blockBytes;
    if (begun > 0) {
      const rest = Math.min(blockBytes - begun, bytes);
      this.part.fill(0, begun, begun + rest);
      this.#written += rest;
      if (this.#written % blockBytes === 0) this.#append(this.part, 0, 1, this.#written / blockBytes - 1);
      this.#written += bytes - rest;
    } else {
      this.#written += bytes;
    }
    if (begun + bytes > blockBytes || begun === 0) this.part.fill(0);
  }

  close(): void {
    this.#expect(0);
    if (this.#written < this.sizeBytes)
      throw new BangerError(
        "bad_request",
        `${this.name()} ends after ${this.#written} of ${this.sizeBytes} bytes`,
      );
    const last = this.#written % blockBytes;
    if (last > 0) this.#append(this.part.fill(0, last), 0, 1, Math.floor(this.#written / blockBytes));
    this.#closed = true;
    this.whenClosed(this.#extents);
  }

  #expect(bytes: number): void {
    if (this.#closed) throw new BangerError("precondition", `${this.name()} is closed`);
    if (bytes < 0 || this.#written + bytes > this.sizeBytes)
      throw new BangerError(
        "bad_request",
        `${this.name()} has more than the ${this.sizeBytes} bytes it should`,
      );
  }

  #append(from: Uint8Array, offset: number, blocks: number, firstLogical: number): void {
    let n = 0;
    while (n < blocks) {
      if (isZero(from, offset + n * blockBytes)) {
        n += 1;
        continue;
      }
      let end = n + 1;
      while (end < blocks && !isZero(from, offset + end * blockBytes)) end += 1;
      while (n < end) {
        const run = this.#put(from, offset + n * blockBytes, end - n);
        this.#extents.add(firstLogical + n, run.start, run.count);
        n += run.count;
      }
    }
  }

  #put(from: Uint8Array, offset: number, blocks: number): BlockRun {
    try {
      return this.writer.append(from, offset, blocks);
    } catch (error) {
      // One with a cause is the host's disk, which is full.
      if (!(error instanceof BangerError) || error.code !== "no_space" || error.cause !== undefined)
        throw error;
      const neededBytes = this.sizeBytes - this.#extents.blocks * blockBytes;
      throw new BangerError(
        "no_space",
        `${this.name()} does not fit: ${formatBytes(neededBytes)} of it are left`,
        {
          hint: error.hint,
          details: { neededBytes, freeBytes: this.writer.allocator.freeBlocks * blockBytes },
          cause: error,
        },
      );
    }
  }
}

function isZero(from: Uint8Array, at: number): boolean {
  return from[at] === 0 && zeroBlock.compare(from, at, at + blockBytes) === 0;
}
