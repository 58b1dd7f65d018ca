/** Moves content that lies where a file system has its tables and its journal, or behind its end. */
import { fstatSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import { type BlockRun, firstFree, firstUsed } from "./allocate.ts";
import type { ContentArea } from "./content-area.ts";
import type { ContentTable } from "./content-table.ts";
import { type Extent, ExtentList } from "./extents.ts";
import { fillBits, GroupTable } from "./groups.ts";
import { blockBytes } from "./layout.ts";
import { Superblock } from "./superblock.ts";
import { Volume } from "./volume.ts";

const copiedBlocks = 256;

/**
 * `layoutFd` is of a fresh file system that the content is to be in, but made in another file; `files` are those to be kept.
 * Returns the blocks that were given up: what is in them must go. Throws no_space when it does not all fit.
 */
export function settle(
  area: ContentArea,
  layoutFd: number,
  files: () => Iterable<{ table: ContentTable; number: number }>,
): BlockRun[] {
  const { used, blocks } = usedBlocks(layoutFd);
  const inWay = (from: number, end: number) => stretchOf(used, blocks, from, end);
  const occupied = Buffer.from(used);
  const moving: { table: ContentTable; number: number }[] = [];
  for (const file of files()) {
    let moves = false;
    for (const { physical, blocks: count } of file.table.get(file.number)) {
      for (let at = physical; at < physical + count; ) {
        const stretch = inWay(at, physical + count);
        if (stretch.inWay) moves = true;
        else fillBits(occupied, at, stretch.end);
        at = stretch.end;
      }
    }
    if (moves) moving.push(file);
  }
  const given: BlockRun[] = [];
  const mover = new Mover(area.volume, occupied, blocks);
  for (const { table, number } of moving) {
    const list = new ExtentList();
    for (const { logical, physical, blocks: count } of table.get(number)) {
      for (let at = physical; at < physical + count; ) {
        const { end, inWay: moves } = inWay(at, physical + count);
        const piece: Extent = { logical: logical + at - physical, physical: at, blocks: end - at };
        if (moves) {
          mover.move(piece, list);
          given.push({ start: at, count: end - at });
        } else list.add(piece.logical, piece.physical, piece.blocks);
        at = end;
      }
    }
    table.set(number, list.extents);
  }
  return given;
}

/** The blocks that a fresh file system has in use, as a bitmap. Throws corrupt for one of another shape. */
function usedBlocks(fd: number): { used: Buffer; blocks: number } {
  const volume = new Volume(fd, fstatSync(fd).size);
  const { geometry } = new Superblock(volume);
  const groups = new GroupTable(volume, geometry);
  const bitmaps = Array.from({ length: geometry.groups }, (_, group) => groups.readBlockBitmap(group));
  return { used: Buffer.concat(bitmaps), blocks: geometry.blocks };
}

/** As far as blocks from `from` on are alike: in the way of the file system, or not. */
function stretchOf(used: Buffer, blocks: number, from: number, end: number): { inWay: boolean; end: number } {
  if (from >= blocks) return { inWay: true, end };
  const within = Math.min(end, blocks);
  const free = firstUsed(used, from, within);
  if (free > from) return { inWay: false, end: free };
  return { inWay: true, end: Math.min(firstFree(used, from, within), within) };
}

class Mover {
  #at = 0;
  readonly #buffer: Buffer = Buffer.alloc(copiedBlocks * blockBytes);

  constructor(
    readonly volume: Volume,
    readonly occupied: Buffer,
    readonly blocks: number,
  ) {}

  move(piece: Extent, into: ExtentList): void {
    for (let done = 0; done < piece.blocks; ) {
      const start = firstFree(this.occupied, this.#at, this.blocks);
      if (start >= this.blocks) throw new BangerError("no_space", "the disk is full");
      const most = Math.min(this.blocks, start + piece.blocks - done, start + copiedBlocks);
      const end = firstUsed(this.occupied, start, most);
      const bytes = (end - start) * blockBytes;
      this.volume.readInto(this.#buffer, bytes, (piece.physical + done) * blockBytes);
      this.volume.write(start * blockBytes, this.#buffer, 0, bytes);
      fillBits(this.occupied, start, end);
      this.#at = end;
      into.add(piece.logical + done, start, end - start);
      done += end - start;
    }
  }
}
