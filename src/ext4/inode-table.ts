/**
 * Inodes, numbered in the order of their making. They are collected for one write of up to a megabyte; tables are only
 * written as far as they are used, and the rest is left to whoever mounts (bg_itable_unused).
 */
import { BangerError } from "../base/base.ts";
import type { BlockAllocator } from "./allocate.ts";
import type { GroupTable } from "./groups.ts";
import { encodeInode, type InodeFields, inodeAt, inodeSeed, sealInode } from "./inode.ts";
import { blockBytes, freshInodes, inodeBytes } from "./layout.ts";
import type { Volume } from "./volume.ts";

const windowInodes = 4096;
const inodesPerBlock = blockBytes / inodeBytes;

export class InodeTable {
  /** The largest number in use. */
  #last = freshInodes;
  readonly #directories: number[];
  readonly #window: Buffer;
  /** The number of the window's first inode; it never reaches over the end of a group. */
  #windowStart = 1;
  readonly #perGroup: number;

  constructor(
    readonly volume: Volume,
    readonly groups: GroupTable,
    readonly changedS: number,
  ) {
    this.#perGroup = groups.geometry.inodesPerGroup;
    this.#directories = new Array(groups.geometry.groups).fill(0);
    this.#window = Buffer.alloc(Math.min(windowInodes, this.#perGroup) * inodeBytes);
    // The reserved ones, the journal's among them.
    const first = this.read(1, freshInodes);
    first.copy(this.#window);
  }

  get freeInodes(): number {
    return this.groups.geometry.groups * this.#perGroup - this.#last;
  }

  seed(ino: number): number {
    return inodeSeed(this.groups.geometry.checksumSeed, ino);
  }

  /** The next number. Throws no_space when there is none. */
  allocate(): number {
    if (this.freeInodes === 0)
      throw new BangerError("no_space", `the disk has no inode left: it holds ${this.#last} files`, {
        hint: "make it larger (--disk-size)",
      });
    this.#last += 1;
    const end = this.#windowStart + this.#window.length / inodeBytes;
    const first = (ino: number) => (ino - 1) % this.#perGroup === 0;
    if (this.#last >= end || first(this.#last)) {
      this.#flush(this.#last - 1);
      this.#windowStart = this.#last;
      this.#window.fill(0);
    }
    return this.#last;
  }

  countDirectory(ino: number): void {
    const group = Math.floor((ino - 1) / this.#perGroup);
    this.#directories[group] = (this.#directories[group] ?? 0) + 1;
  }

  put(ino: number, inode: InodeFields): void {
    this.#change(ino, false, (bytes, at) => encodeInode(bytes, at, this.seed(ino), inode, this.changedS));
  }

  /** Changes i_links_count of one that was put. */
  setLinks(ino: number, links: number): void {
    this.#change(ino, true, (bytes, at) => {
      bytes.writeUInt16LE(links, at + inodeAt.links);
      sealInode(bytes, at, this.seed(ino));
    });
  }

  /** Writes what is left, the bitmaps and the groups' counts. */
  write(allocator: BlockAllocator): void {
    this.#flush(this.#last);
    for (let group = 0; group * this.#perGroup < this.#last; group += 1) {
      const used = Math.min(this.#perGroup, this.#last - group * this.#perGroup);
      this.groups.writeInodes(group, used, this.#directories[group] ?? 0);
      allocator.touch(group);
    }
  }

  read(ino: number, count: number): Buffer {
    return this.volume.read(this.#offset(ino), count * inodeBytes);
  }

  #change(ino: number, isThere: boolean, edit: (bytes: Buffer, at: number) => void): void {
    if (ino >= this.#windowStart) {
      edit(this.#window, (ino - this.#windowStart) * inodeBytes);
      return;
    }
    const bytes = isThere ? this.read(ino, 1) : Buffer.alloc(inodeBytes);
    edit(bytes, 0);
    this.volume.write(this.#offset(ino), bytes);
  }

  /** Up to the end of the last inode's block, whose others are zeros. */
  #flush(last: number): void {
    const count = Math.ceil((last - this.#windowStart + 1) / inodesPerBlock) * inodesPerBlock;
    this.volume.write(this.#offset(this.#windowStart), this.#window, 0, count * inodeBytes);
  }

  #offset(ino: number): number {
    const group = Math.floor((ino - 1) / this.#perGroup);
    const index = (ino - 1) % this.#perGroup;
    return this.groups.get(group, "inodeTable") * blockBytes + index * inodeBytes;
  }
}
