/**
 * The index of a large directory ("Hash Tree Directories" in directory.rst; struct dx_root, dx_node in fs/ext4/namei.c):
 * block 0 leads to blocks of entries, or to further index blocks that do. Blocks are only filled to four fifths, as
 * e2fsck -D does, so that the first files a guest adds do not split each of them.
 */
import { BangerError } from "../base/base.ts";
import { crc32c } from "./crc32c.ts";
import type { Directory, DirectoryTree } from "./directory.ts";
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
  tree: DirectoryTree,
  directory: Directory,
  hashing: DirectoryHashing,
  inodeSeed: number,
  emit: (block: Buffer) => void,
): void {
  const sorted = sortByHash(tree, directory, hashing);
  const leaves = divide(tree, sorted);
  const nodes = leaves.length <= rootMost ? 0 : Math.ceil(leaves.length / nodeFill);
  if (nodes > rootMost) throw tooLarge(sorted.count);
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
    for (let n = start; n < end; n += 1) block.add(tree.entry(sorted.entry(n)));
    emit(block.take());
  }
}

/** A directory's entries in the order of their hashes. */
interface Sorted {
  count: number;
  entry(n: number): number;
  hash(n: number): number;
}

function sortByHash(tree: DirectoryTree, directory: Directory, { seed, signed }: DirectoryHashing): Sorted {
  const entries = Uint32Array.from(tree.entries(directory));
  if (entries.length > mostEntries) throw tooLarge(entries.length);
  const keys = new Float64Array(entries.length);
  for (const [n, entry] of entries.entries())
    keys[n] = (nameHash(tree.name(entry), seed, signed) / 2) * mostEntries + n;
  keys.sort();
  return {
    count: entries.length,
    entry: (n) => entries[(keys[n] ?? 0) % mostEntries] ?? 0,
    hash: (n) => Math.floor((keys[n] ?? 0) / mostEntries) * 2,
  };
}

/** Which entries share a block, and the hash by which the index finds it. */
function divide(tree: DirectoryTree, sorted: Sorted): { start: number; end: number; hash: number }[] {
  const leaves: { start: number; end: number; hash: number }[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (let n = 0; n < sorted.count; n += 1) {
    const size = entryBytes(tree.nameBytes(sorted.entry(n)));
    const hash = sorted.hash(n);
    const last = leaves.at(-1);
    if (last !== undefined && bytes + size <= roomBytes * fill) {
      bytes += size;
      last.end = n + 1;
      continue;
    }
    // An odd hash says that the names before it, of the block before, have the same one.
    const continued = n > 0 && sorted.hash(n - 1) === hash ? 1 : 0;
    leaves.push({ start: n, end: n + 1, hash: hash + continued });
    bytes = size;
  }
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
