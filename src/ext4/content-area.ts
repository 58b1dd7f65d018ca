/**
 * Files' content, written into what becomes a file system before it is known how large that must be. Blocks are taken in the
 * order in which they are asked for, but for those where a file system of the usual shape has its tables; `settle` moves
 * what is then in the way of the real one.
 */

import type { FileSink } from "../tar/tar.ts";
import type { BlockRun, BlockSource } from "./allocate.ts";
import { BlockSink } from "./block-sink.ts";
import { BlockWriter } from "./block-writer.ts";
import { ContentTable } from "./content-table.ts";
import { type Extent, ExtentList } from "./extents.ts";
import { blockBytes, blocksPerGroup } from "./layout.ts";
import { Volume } from "./volume.ts";

/** flex_bg puts the tables of 16 groups into the first of them: with inodes for each 16 KiB, and what mke2fs puts behind. */
const flexBlocks = 16 * blocksPerGroup;
const tableBlocks = 9216;
/** What one writer takes at once: others write beside it, and files are to lie in one piece. */
const arenaBlocks = 2048;
/** Block numbers are kept in 32 bits. */
const mostBlocks = 2 ** 32;

/** Writes files one after the other; several of them can write into one area at a time. */
export interface ContentWriter {
  /** Where the files are, numbered in the order in which they were closed. */
  readonly table: ContentTable;
  /** A file of exactly `sizeBytes`; one at a time. */
  begin(sizeBytes: number): FileSink;
  /** Blocks for what is in these of another disk, to be written by the caller. They are not in the table. */
  reserve(extents: readonly Extent[]): readonly Extent[];
  /** Writes what is left. */
  finish(): void;
}

export class ContentArea {
  readonly volume: Volume;
  #next = tableBlocks;
  /** Arenas that were not used up. */
  readonly #spare: BlockRun[] = [];

  /** `fd` is of a file without data, open for reading and writing; it stays the caller's. */
  constructor(fd: number) {
    this.volume = new Volume(fd, mostBlocks * blockBytes);
  }

  writer(): ContentWriter {
    const arena = new Arena(() => this.#take());
    const blocks = new BlockWriter(this.volume, arena);
    const part = Buffer.alloc(blockBytes);
    const table = new ContentTable();
    return {
      table,
      begin: (sizeBytes) =>
        new BlockSink(
          blocks,
          part,
          sizeBytes,
          () => "a file",
          ({ extents }) => void table.add(extents),
        ),
      reserve: (extents) => {
        const list = new ExtentList();
        for (const { logical, blocks: wanted } of extents) {
          for (let done = 0; done < wanted; ) {
            const { start, count } = arena.allocate(wanted - done);
            list.add(logical + done, start, count);
            done += count;
          }
        }
        return list.extents;
      },
      finish: () => {
        blocks.flush();
        if (arena.left.count > 0) this.#spare.push(arena.left);
        arena.left = { start: 0, count: 0 };
      },
    };
  }

  #take(): BlockRun {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (this.#next % flexBlocks < tableBlocks) this.#next += tableBlocks - (this.#next % flexBlocks);
    const start = this.#next;
    const count = Math.min(arenaBlocks, flexBlocks - (start % flexBlocks));
    this.#next += count;
    return { start, count };
  }
}

class Arena implements BlockSource {
  left: BlockRun = { start: 0, count: 0 };
  /** How much the disk must hold is looked at when it is known. */
  readonly freeBlocks = mostBlocks;

  constructor(readonly more: () => BlockRun) {}

  allocate(most: number): BlockRun {
    if (this.left.count === 0) this.left = this.more();
    const { start, count } = this.left;
    const taken = Math.min(most, count);
    this.left = { start: start + taken, count: count - taken };
    return { start, count: taken };
  }
}
