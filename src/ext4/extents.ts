/**
 * Where a file's blocks are: extents, up to four in the inode itself, more in a tree of blocks
 * (Documentation/filesystems/ext4/ifork.rst, "Extent Tree").
 */
import type { BlockWriter } from "./block-writer.ts";
import { crc32c } from "./crc32c.ts";
import { blockBytes } from "./layout.ts";

const magic = 0xf30a;
const headerBytes = 12;
const entryBytes = 12;
const inInode = 4;
/** What fits before the checksum (struct ext4_extent_tail). */
const inBlock = Math.floor((blockBytes - headerBytes - 4) / entryBytes);
/** An initialised extent is at most so long: EXT_INIT_MAX_LEN. */
const longest = 32768;

/** A file's blocks from `logical` on are those of the disk from `physical` on. In the tree also: the level below, of 0 blocks. */
export interface Extent {
  logical: number;
  physical: number;
  blocks: number;
}

export class ExtentList {
  readonly #entries: Extent[] = [];
  /** Blocks of data. */
  blocks = 0;

  get extents(): readonly Extent[] {
    return this.#entries;
  }

  /** In ascending order of logical blocks. */
  add(logical: number, physical: number, blocks: number): void {
    this.blocks += blocks;
    const last = this.#entries.at(-1);
    if (
      last !== undefined &&
      last.logical + last.blocks === logical &&
      last.physical + last.blocks === physical &&
      last.blocks + blocks <= longest
    ) {
      last.blocks += blocks;
    } else {
      this.#entries.push({ logical, physical, blocks });
    }
  }

  /** Writes the blocks of the tree, if it needs any, and its root into `into` (i_block, 60 bytes). Returns how many. */
  write(into: Buffer, writer: BlockWriter, inodeSeed: number): number {
    let level = this.#entries;
    let depth = 0;
    let written = 0;
    while (level.length > inInode) {
      const above: Extent[] = [];
      for (let at = 0; at < level.length; at += inBlock) {
        const part = level.slice(at, at + inBlock);
        const block = Buffer.alloc(blockBytes);
        encode(block, part, inBlock, depth);
        const checked = headerBytes + inBlock * entryBytes;
        block.writeUInt32LE(crc32c(inodeSeed, block, 0, checked), checked);
        above.push({ logical: part[0]?.logical ?? 0, physical: writer.appendOne(block), blocks: 0 });
        written += 1;
      }
      level = above;
      depth += 1;
    }
    encode(into, level, inInode, depth);
    return written;
  }
}

function encode(into: Buffer, entries: readonly Extent[], most: number, depth: number): void {
  into.writeUInt16LE(magic, 0);
  into.writeUInt16LE(entries.length, 2);
  into.writeUInt16LE(most, 4);
  into.writeUInt16LE(depth, 6);
  let at = headerBytes;
  for (const { logical, physical, blocks } of entries) {
    const low = physical % 2 ** 32;
    const high = Math.floor(physical / 2 ** 32);
    into.writeUInt32LE(logical, at);
    if (depth === 0) {
      into.writeUInt16LE(blocks, at + 4);
      into.writeUInt16LE(high, at + 6);
      into.writeUInt32LE(low, at + 8);
    } else {
      into.writeUInt32LE(low, at + 4);
      into.writeUInt16LE(high, at + 8);
    }
    at += entryBytes;
  }
}
