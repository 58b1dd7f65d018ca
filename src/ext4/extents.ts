/**
 * Where a file's blocks are: extents, up to four in the inode itself, more in a tree of blocks
 * (Documentation/filesystems/ext4/ifork.rst, "Extent Tree").
 */
import type { BlockWriter } from "./block-writer.ts";
import { crc32c } from "./crc32c.ts";
import { blockBytes } from "./layout.ts";

/** Where the fields of struct ext4_extent_header are. */
const headerAt = { magic: 0, entries: 2, most: 4, depth: 6 } as const;
const magic = 0xf30a;
const headerBytes = 12;
/** Of struct ext4_extent, in a block of depth 0: in a higher one they are struct ext4_extent_idx, below. */
const extentAt = { logical: 0, blocks: 4, physicalHigh: 6, physical: 8 } as const;
const indexAt = { logical: 0, physical: 4, physicalHigh: 8 } as const;
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
  into.writeUInt16LE(magic, headerAt.magic);
  into.writeUInt16LE(entries.length, headerAt.entries);
  into.writeUInt16LE(most, headerAt.most);
  into.writeUInt16LE(depth, headerAt.depth);
  const fields = depth === 0 ? extentAt : indexAt;
  let at = headerBytes;
  for (const { logical, physical, blocks } of entries) {
    into.writeUInt32LE(logical, at + fields.logical);
    into.writeUInt32LE(physical % 2 ** 32, at + fields.physical);
    into.writeUInt16LE(Math.floor(physical / 2 ** 32), at + fields.physicalHigh);
    if (depth === 0) into.writeUInt16LE(blocks, at + extentAt.blocks);
    at += entryBytes;
  }
}

/** The extent of an i_block that has one, in the inode itself; undefined for any other. */
export function onlyExtent(iBlock: Buffer): Extent | undefined {
  const only =
    iBlock.readUInt16LE(headerAt.magic) === magic &&
    iBlock.readUInt16LE(headerAt.entries) === 1 &&
    iBlock.readUInt16LE(headerAt.depth) === 0;
  if (!only) return undefined;
  const entry = iBlock.subarray(headerBytes);
  const high = entry.readUInt16LE(extentAt.physicalHigh);
  return {
    logical: entry.readUInt32LE(extentAt.logical),
    physical: entry.readUInt32LE(extentAt.physical) + high * 2 ** 32,
    blocks: entry.readUInt16LE(extentAt.blocks),
  };
}
