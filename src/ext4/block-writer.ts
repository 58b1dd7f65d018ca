/** Writes blocks where the allocator puts them: neighbours are collected, so that the kernel sees few and large writes. */
import type { BlockRun, BlockSource } from "./allocate.ts";
import { blockBytes } from "./layout.ts";
import type { Volume } from "./volume.ts";

/** 128 KiB: for each write the page cache takes memory in pieces as large as the write, and pieces of a megabyte cost five times as much (6.18). */
const bufferBlocks = 32;

export class BlockWriter {
  readonly #buffer = Buffer.alloc(bufferBlocks * blockBytes);
  /** The blocks in the buffer. */
  #start = 0;
  #count = 0;

  constructor(
    readonly volume: Volume,
    readonly allocator: BlockSource,
  ) {}

  /** Writes whole blocks, at most `blocks` of them, from `from` at `offset`; returns how many, and where they are. */
  append(from: Uint8Array, offset: number, blocks: number): BlockRun {
    const run = this.allocator.allocate(Math.min(blocks, bufferBlocks));
    if (run.start !== this.#start + this.#count || this.#count + run.count > bufferBlocks) {
      this.flush();
      this.#start = run.start;
    }
    this.#buffer.set(from.subarray(offset, offset + run.count * blockBytes), this.#count * blockBytes);
    this.#count += run.count;
    return run;
  }

  /** Writes one block, and returns its number. */
  appendOne(block: Uint8Array): number {
    return this.append(block, 0, 1).start;
  }

  /** Writes one block whose content depends on where it is. */
  appendAt(make: (block: number) => Uint8Array): number {
    const { start } = this.allocator.allocate(1);
    this.flush();
    this.volume.write(start * blockBytes, Buffer.from(make(start)));
    return start;
  }

  flush(): void {
    if (this.#count > 0)
      this.volume.write(this.#start * blockBytes, this.#buffer, 0, this.#count * blockBytes);
    this.#count = 0;
  }
}
