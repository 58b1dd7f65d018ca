/**
 * The index of a large directory ("Hash Tree Directories" in directory.rst; struct dx_root, dx_node in fs/ext4/namei.c):
 * block 0 leads to blocks of entries, or to further index blocks that do. Blocks are only filled to four fifths, as
 * e2fsck -D does, so that the first files a guest adds do not split each of them.
 */
import { BangerError } from "../base/base.ts";
import { crc32c } from "./crc32c.ts";
import { type Directory, entryOf } from "./directory.ts";
import {
  type DirectoryHashing,
  dots,
  EntryBlock,
  entryBytes,
  putEntry,
  roomBytes,
} from "./directory-blocks.ts";
import { blockBytes } from "./layout.ts";
import { nameHash } from "./name-hash.ts";

const fill = 0.8;
/** Where the pairs of hash and block begin, in block 0 and in others; the first hash's place holds their number. */
const rootPairs = 32;
const nodePairs = 8;
const pairBytes = 8;
/** struct dx_tail */
const tailBytes = 8;
const rootMost = (blockBytes - rootPairs - tailBytes) / pairBytes;
const nodeMost = (blockBytes - nodePairs - tailBytes) / pairBytes;
const nodeFill = Math.floor(nodeMost * fill);
/** Positions while sorting have 22 bits beside the 31 of a hash, in the 53 of a number. */
const mostEntries = 2 ** 22;

interface Pair {
  hash: number;
  block: number;
}

export function writeIndexed(
  directory: Directory,
  inodeSeed: number,
  hashing: DirectoryHashing,
  emit: (block: Buffer) => void,
): void {
  const sorted = sortByHash(directory, hashing);
  const leaves = divide(sorted);
  const nodes = leaves.length <= rootMost ? 0 : Math.ceil(leaves.length / nodeFill);
  if (nodes > rootMost) throw tooLarge(sorted.length);
  const pairs = leaves.map(({ hash }, n) => ({ hash, block: 1 + nodes + n }));
  if (nodes === 0) {
    emit(rootBlock(directory, pairs, 0, inodeSeed));
  } else {
    const parts = Array.from({ length: nodes }, (_, n) => pairs.slice(n * nodeFill, (n + 1) * nodeFill));
    const above = parts.map((part, n) => ({ hash: part[0]?.hash ?? 0, block: 1 + n }));
    emit(rootBlock(directory, above, 1, inodeSeed));
    for (const part of parts) emit(nodeBlock(part, inodeSeed));
  }
  const block = new EntryBlock(inodeSeed);
  for (const { start, end } of leaves) {
    for (let n = start; n < end; n += 1) {
      const name = sorted[n]?.name ?? "";
      block.add(entryOf(name, directory.children.get(name) ?? 0));
    }
    emit(block.take());
  }
}

interface Hashed {
  name: string;
  hash: number;
}

function sortByHash(directory: Directory, { seed, signed }: DirectoryHashing): Hashed[] {
  const names = [...directory.children.keys()];
  if (names.length > mostEntries) throw tooLarge(names.length);
  const keys = new Float64Array(names.length);
  names.forEach((name, n) => {
    keys[n] = (nameHash(name, seed, signed) / 2) * mostEntries + n;
  });
  keys.sort();
  return Array.from(keys, (key) => ({
    name: names[key % mostEntries] ?? "",
    hash: Math.floor(key / mostEntries) * 2,
  }));
}

/** Which entries share a block, and the hash by which the index finds it. */
function divide(sorted: readonly Hashed[]): { start: number; end: number; hash: number }[] {
  const leaves: { start: number; end: number; hash: number }[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  sorted.forEach(({ name, hash }, n) => {
    const size = entryBytes(name.length);
    const last = leaves.at(-1);
    if (last !== undefined && bytes + size <= roomBytes * fill) {
      bytes += size;
      last.end = n + 1;
      return;
    }
    // An odd hash says that the names before it, of the block before, have the same one.
    const continued = sorted[n - 1]?.hash === hash ? 1 : 0;
    leaves.push({ start: n, end: n + 1, hash: hash + continued });
    bytes = size;
  });
  return leaves;
}

function rootBlock(directory: Directory, pairs: readonly Pair[], levels: number, inodeSeed: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const [self, parent] = dots(directory);
  const at = putEntry(block, 0, self);
  putEntry(block, at, parent);
  // To those who know no index, ".." reaches to the block's end.
  block.writeUInt16LE(blockBytes - at, at + 4);
  block[28] = 1; // hash_version: half MD4
  block[29] = 8; // info_length
  block[30] = levels; // indirect_levels
  return sealed(block, rootPairs, rootMost, pairs, inodeSeed);
}

function nodeBlock(pairs: readonly Pair[], inodeSeed: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt16LE(blockBytes, 4);
  return sealed(block, nodePairs, nodeMost, pairs, inodeSeed);
}

/** ext4_dx_csum: over the block up to the last pair, then the tail's first word, then a zero for the checksum. */
function sealed(block: Buffer, at: number, most: number, pairs: readonly Pair[], inodeSeed: number): Buffer {
  pairs.forEach(({ hash, block: number }, n) => {
    block.writeUInt32LE(hash, at + n * pairBytes);
    block.writeUInt32LE(number, at + n * pairBytes + 4);
  });
  block.writeUInt16LE(most, at);
  block.writeUInt16LE(pairs.length, at + 2);
  const over = crc32c(inodeSeed, block, 0, at + pairs.length * pairBytes);
  block.writeUInt32LE(crc32c(over, Buffer.alloc(tailBytes)), at + most * pairBytes + 4);
  return block;
}

function tooLarge(entries: number): BangerError {
  return new BangerError("bad_request", `a directory of ${entries} entries is larger than ext4 can index`);
}
