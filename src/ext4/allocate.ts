/**
 * Blocks, handed out from the disk's start to its end: what is written one after another lies one after another. Bitmaps
 * are read when their group's turn comes, and written back at the end.
 */
import { BangerError } from "../base/base.ts";
import { fillBits, type GroupTable } from "./groups.ts";
import { blocksPerGroup } from "./layout.ts";

export interface BlockRun {
  start: number;
  count: number;
}

/** Where blocks come from. */
export interface BlockSource {
  readonly freeBlocks: number;
  /** The next ones: at least one, at most `most`, all adjacent. Throws no_space when there is none. */
  allocate(most: number): BlockRun;
}

export class BlockAllocator implements BlockSource {
  /** Of the whole file system. */
  freeBlocks: number;
  readonly #touched = new Map<number, { bitmap: Buffer; free: number }>();
  #group = 0;
  #bit = 0;

  constructor(
    readonly groups: GroupTable,
    freeBlocks: number,
  ) {
    this.freeBlocks = freeBlocks;
  }

  /** The next free blocks: at least one, at most `most`, all adjacent. Throws no_space when there is none. */
  allocate(most: number): BlockRun {
    for (; this.#group < this.groups.geometry.groups; this.#group += 1, this.#bit = 0) {
      const state = this.#load(this.#group);
      if (state.free === 0) continue;
      const start = firstFree(state.bitmap, this.#bit, blocksPerGroup);
      if (start === blocksPerGroup) continue;
      const end = firstUsed(state.bitmap, start, Math.min(blocksPerGroup, start + most));
      fillBits(state.bitmap, start, end);
      this.#bit = end;
      state.free -= end - start;
      this.freeBlocks -= end - start;
      return { start: this.#group * blocksPerGroup + start, count: end - start };
    }
    throw new BangerError("no_space", "the disk is full", { hint: "make it larger (--disk-size)" });
  }

  /** Gives back blocks that were in use when the file system was opened. Before anything is allocated only. */
  release({ start, count }: BlockRun): void {
    for (let block = start; block < start + count; block += 1) {
      const state = this.#load(Math.floor(block / blocksPerGroup));
      const bit = block % blocksPerGroup;
      const byte = state.bitmap[bit >> 3] ?? 0;
      if ((byte & (1 << (bit & 7))) === 0)
        throw new BangerError("corrupt", `block ${block} of the disk is in use and free`);
      state.bitmap[bit >> 3] = byte & ~(1 << (bit & 7));
      state.free += 1;
      this.freeBlocks += 1;
    }
  }

  /** Takes blocks that were written before this file system was there. Before anything is allocated only. */
  claim({ start, count }: BlockRun): void {
    for (let at = start; at < start + count; ) {
      const group = Math.floor(at / blocksPerGroup);
      const state = this.#load(group);
      const from = at % blocksPerGroup;
      const end = Math.min(blocksPerGroup, from + start + count - at);
      if (firstUsed(state.bitmap, from, end) < end)
        throw new BangerError("internal", `blocks at ${at} of the disk hold something else`);
      fillBits(state.bitmap, from, end);
      state.free -= end - from;
      this.freeBlocks -= end - from;
      at += end - from;
    }
  }

  /** A group whose inodes are used has a bitmap too, as the kernel sees to (__ext4_new_inode). */
  touch(group: number): void {
    this.#load(group);
  }

  write(): void {
    for (const [group, { bitmap, free }] of this.#touched) {
      this.groups.writeBlockBitmap(group, bitmap);
      this.groups.set(group, "freeBlocks", free);
    }
  }

  #load(group: number): { bitmap: Buffer; free: number } {
    let state = this.#touched.get(group);
    if (state === undefined) {
      state = { bitmap: this.groups.readBlockBitmap(group), free: this.groups.get(group, "freeBlocks") };
      this.#touched.set(group, state);
    }
    return state;
  }
}

export function firstFree(bitmap: Buffer, from: number, end: number): number {
  let bit = from;
  while (bit < end) {
    const byte = bitmap[bit >> 3] ?? 0xff;
    if (byte === 0xff) bit = (bit | 7) + 1;
    else if ((byte & (1 << (bit & 7))) === 0) return bit;
    else bit += 1;
  }
  return end;
}

export function firstUsed(bitmap: Buffer, from: number, end: number): number {
  let bit = from;
  while (bit < end) {
    const byte = bitmap[bit >> 3] ?? 0xff;
    if (byte === 0 && (bit & 7) === 0) bit += 8;
    else if ((byte & (1 << (bit & 7))) !== 0) return bit;
    else bit += 1;
  }
  return Math.min(bit, end);
}
