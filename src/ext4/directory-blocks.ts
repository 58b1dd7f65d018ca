/**
 * Directories as blocks (Documentation/filesystems/ext4/directory.rst): one block with entries as they come, or, when that
 * is not enough, blocks sorted by the names' hashes beneath an index (htree.ts).
 */
import { crc32c } from "./crc32c.ts";
import type { Directory, DirectoryEntry, DirectoryTree } from "./directory.ts";
import { writeIndexed } from "./htree.ts";
import { blockBytes, directoryTailBytes, nodeTypes } from "./layout.ts";
import type { HashSeed } from "./name-hash.ts";

export interface DirectoryHashing {
  seed: HashSeed;
  signed: boolean;
}

/** Bytes of an entry with a name of so many bytes. */
export function entryBytes(nameBytes: number): number {
  return (8 + nameBytes + 3) & ~3;
}

/** What a block has for entries. */
export const roomBytes: number = blockBytes - directoryTailBytes;

/** Gives the directory's blocks to `emit`, in order. Returns whether it is indexed. The block is used again. */
export function writeDirectory(
  tree: DirectoryTree,
  directory: Directory,
  hashing: DirectoryHashing,
  inodeSeed: number,
  emit: (block: Buffer) => void,
): boolean {
  let bytes = entryBytes(1) + entryBytes(2);
  for (const entry of tree.entries(directory)) {
    bytes += entryBytes(tree.nameBytes(entry));
    if (bytes > roomBytes) {
      writeIndexed(tree, directory, hashing, inodeSeed, emit);
      return true;
    }
  }
  const block = new EntryBlock(inodeSeed);
  for (const dot of dots(directory)) block.add(dot);
  for (const entry of tree.entries(directory)) block.add(tree.entry(entry));
  emit(block.take());
  return false;
}

/** "." and "..", with which each directory begins. */
export function dots({ ino, parent }: Directory): [DirectoryEntry, DirectoryEntry] {
  const type = nodeTypes.directory.entry;
  return [
    { name: ".", ino, type },
    { name: "..", ino: parent.ino, type },
  ];
}

/** One block of entries. */
export class EntryBlock {
  readonly #block = Buffer.alloc(blockBytes);
  #at = 0;
  #last = 0;

  constructor(readonly inodeSeed: number) {}

  get usedBytes(): number {
    return this.#at;
  }

  add(entry: DirectoryEntry): void {
    this.#last = this.#at;
    this.#at += putEntry(this.#block, this.#at, entry);
  }

  /** The finished block, valid until the next entry is added. */
  take(): Buffer {
    const block = this.#block;
    block.fill(0, this.#at);
    // The last entry reaches to the tail; a block without any has one that is free.
    block.writeUInt16LE(roomBytes - this.#last, this.#last + 4);
    // struct ext4_dir_entry_tail: looks like a free entry to those who do not know it.
    block.writeUInt16LE(directoryTailBytes, roomBytes + 4);
    block[roomBytes + 7] = 0xde;
    block.writeUInt32LE(crc32c(this.inodeSeed, block, 0, roomBytes), roomBytes + 8);
    this.#at = 0;
    this.#last = 0;
    return block;
  }
}

/** Writes an entry of exactly its own length, which it returns. */
export function putEntry(into: Buffer, at: number, { name, ino, type }: DirectoryEntry): number {
  const bytes = entryBytes(name.length);
  into.writeUInt32LE(ino, at);
  into.writeUInt16LE(bytes, at + 4);
  into[at + 6] = name.length;
  into[at + 7] = type;
  // Zeros behind the name are not required, but the block may be an old one.
  into.fill(0, at + 8 + name.length, at + bytes);
  into.write(name, at + 8, "latin1");
  return bytes;
}
