/** Group descriptors (Documentation/filesystems/ext4/group_descr.rst) and the bitmaps they point to. */
import { crc32c, crc32cOfU32 } from "./crc32c.ts";
import { blockBytes, blocksPerGroup, descriptorBytes, freshInodes, inodeBytes } from "./layout.ts";
import { type Geometry, refused } from "./superblock.ts";
import type { Volume } from "./volume.ts";

/** bg_flags: tables and bitmaps that were never written. */
const inodeUninit = 1;
const blockUninit = 2;

/** Fields in two halves: where they are, and of how many bits each half is. */
const fields = {
  blockBitmap: { low: 0, high: 32, bits: 32 },
  inodeBitmap: { low: 4, high: 36, bits: 32 },
  inodeTable: { low: 8, high: 40, bits: 32 },
  freeBlocks: { low: 12, high: 44, bits: 16 },
  freeInodes: { low: 14, high: 46, bits: 16 },
  directories: { low: 16, high: 48, bits: 16 },
  blockBitmapChecksum: { low: 24, high: 56, bits: 16 },
  inodeBitmapChecksum: { low: 26, high: 58, bits: 16 },
  unusedInodes: { low: 28, high: 50, bits: 16 },
} as const;
export type GroupField = keyof typeof fields;

export class GroupTable {
  readonly #raw: Buffer;

  constructor(
    readonly volume: Volume,
    readonly geometry: Geometry,
  ) {
    this.#raw = volume.read(blockBytes, geometry.groups * descriptorBytes);
    for (let group = 0; group < geometry.groups; group += 1) this.#check(group);
    this.#checkPlaces();
  }

  get(group: number, field: GroupField): number {
    const { low, high, bits } = fields[field];
    const at = group * descriptorBytes;
    return bits === 32
      ? this.#raw.readUInt32LE(at + low) + this.#raw.readUInt32LE(at + high) * 2 ** 32
      : this.#raw.readUInt16LE(at + low) + this.#raw.readUInt16LE(at + high) * 2 ** 16;
  }

  /** For the fields that change: counts and checksums. */
  set(
    group: number,
    field: Exclude<GroupField, "blockBitmap" | "inodeBitmap" | "inodeTable">,
    value: number,
  ): void {
    const { low, high } = fields[field];
    const at = group * descriptorBytes;
    this.#raw.writeUInt16LE(value & 0xffff, at + low);
    this.#raw.writeUInt16LE(value >>> 16, at + high);
  }

  hasInodes(group: number): boolean {
    return (this.#flags(group) & inodeUninit) === 0;
  }

  /** Blocks of this group, of which only the last can have fewer than the others. */
  blocksOf(group: number): number {
    return Math.min(blocksPerGroup, this.geometry.blocks - group * blocksPerGroup);
  }

  /** The block bitmap, from the disk or, where none was written yet, as the kernel would make it. A set bit is in use. */
  readBlockBitmap(group: number): Buffer {
    const bitmap =
      (this.#flags(group) & blockUninit) === 0
        ? this.volume.read(this.get(group, "blockBitmap") * blockBytes, blockBytes)
        : this.#untouchedBitmap(group);
    if (
      (this.#flags(group) & blockUninit) === 0 &&
      this.#checksum(bitmap) !== this.get(group, "blockBitmapChecksum")
    )
      throw refused(`the checksum of the block bitmap of group ${group} is wrong`);
    let free = 0;
    for (const byte of bitmap) free += zeroBits[byte] ?? 0;
    if (free !== this.get(group, "freeBlocks"))
      throw refused(`group ${group} has not the free blocks it says`);
    return bitmap;
  }

  writeBlockBitmap(group: number, bitmap: Buffer): void {
    this.volume.write(this.get(group, "blockBitmap") * blockBytes, bitmap);
    this.set(group, "blockBitmapChecksum", this.#checksum(bitmap));
    this.#setFlags(group, this.#flags(group) & ~blockUninit);
  }

  /** The first `used` inodes of the group are in use, of which `directories` are directories. */
  writeInodes(group: number, used: number, directories: number): void {
    const { inodesPerGroup } = this.geometry;
    const bitmap = Buffer.alloc(blockBytes);
    fillBits(bitmap, 0, used);
    // Past the group's end all are in use (ext4_mark_bitmap_end).
    fillBits(bitmap, inodesPerGroup, 8 * blockBytes);
    this.volume.write(this.get(group, "inodeBitmap") * blockBytes, bitmap);
    this.set(group, "inodeBitmapChecksum", this.#checksum(bitmap, inodesPerGroup / 8));
    this.set(group, "freeInodes", inodesPerGroup - used);
    this.set(group, "unusedInodes", inodesPerGroup - used);
    this.set(group, "directories", directories);
    this.#setFlags(group, this.#flags(group) & ~inodeUninit);
  }

  /** Writes the primary table, with the descriptors' checksums. */
  write(): void {
    for (let group = 0; group < this.geometry.groups; group += 1) {
      this.#raw.writeUInt16LE(this.#descriptorChecksum(group), group * descriptorBytes + 30);
    }
    this.volume.write(blockBytes, this.#raw);
  }

  #flags(group: number): number {
    return this.#raw.readUInt16LE(group * descriptorBytes + 18);
  }

  #setFlags(group: number, flags: number): void {
    this.#raw.writeUInt16LE(flags, group * descriptorBytes + 18);
  }

  #checksum(bitmap: Buffer, bytes = bitmap.length): number {
    return crc32c(this.geometry.checksumSeed, bitmap, 0, bytes);
  }

  /** ext4_group_desc_csum: over the group's number and the descriptor, with 0 for the checksum itself. */
  #descriptorChecksum(group: number): number {
    const at = group * descriptorBytes;
    const before = crc32c(crc32cOfU32(this.geometry.checksumSeed, group), this.#raw, at, at + 30);
    return crc32c(crc32c(before, twoZeros), this.#raw, at + 32, at + descriptorBytes) & 0xffff;
  }

  #check(group: number): void {
    const at = group * descriptorBytes;
    if (this.#descriptorChecksum(group) !== this.#raw.readUInt16LE(at + 30))
      throw refused(`the checksum of group ${group} is wrong`);
    if (this.get(group, "freeBlocks") > this.blocksOf(group))
      throw refused(`group ${group} has too many free blocks`);
    const used = group === 0 ? freshInodes : 0;
    if (this.get(group, "freeInodes") !== this.geometry.inodesPerGroup - used)
      throw refused(`inodes of group ${group} are in use`);
    if (this.get(group, "unusedInodes") > this.get(group, "freeInodes"))
      throw refused(`group ${group} has more untouched inodes than free ones`);
  }

  /** Each bitmap and table has blocks of its own, none of them in the superblock's or the descriptors'. */
  #checkPlaces(): void {
    const { geometry } = this;
    const tableBlocks = (geometry.inodesPerGroup * inodeBytes) / blockBytes;
    const places: [start: number, end: number][] = [];
    for (let group = 0; group < geometry.groups; group += 1) {
      const table = this.get(group, "inodeTable");
      places.push([table, table + tableBlocks]);
      for (const field of ["blockBitmap", "inodeBitmap"] as const) {
        const bitmap = this.get(group, field);
        places.push([bitmap, bitmap + 1]);
      }
    }
    places.sort((one, other) => one[0] - other[0]);
    let end = 1 + geometry.descriptorBlocks + geometry.reservedDescriptorBlocks;
    for (const [start, next] of places) {
      if (start < end || next > geometry.blocks) throw refused("its bitmaps and tables overlap");
      end = next;
    }
  }

  /** ext4_init_block_bitmap: copies of the superblock and descriptors, and what of its own tables lies in the group. */
  #untouchedBitmap(group: number): Buffer {
    const { geometry } = this;
    const bitmap = Buffer.alloc(blockBytes);
    const first = group * blocksPerGroup;
    const take = (start: number, blocks: number) => {
      if (start < first + blocksPerGroup && start + blocks > first)
        fillBits(bitmap, Math.max(0, start - first), Math.min(blocksPerGroup, start + blocks - first));
    };
    if (hasSuperblock(group)) take(first, 1 + geometry.descriptorBlocks + geometry.reservedDescriptorBlocks);
    take(this.get(group, "blockBitmap"), 1);
    take(this.get(group, "inodeBitmap"), 1);
    take(this.get(group, "inodeTable"), (geometry.inodesPerGroup * inodeBytes) / blockBytes);
    fillBits(bitmap, this.blocksOf(group), blocksPerGroup);
    return bitmap;
  }
}

const twoZeros = Buffer.alloc(2);
const zeroBits = Uint8Array.from({ length: 256 }, (_, byte) => {
  let zeros = 8;
  for (let rest = byte; rest > 0; rest >>= 1) zeros -= rest & 1;
  return zeros;
});

/** Sets the bits from `start` to before `end`. */
export function fillBits(bitmap: Buffer, start: number, end: number): void {
  let bit = start;
  for (; bit < end && (bit & 7) !== 0; bit += 1) setBit(bitmap, bit);
  const wholeBytes = (end - bit) >> 3;
  if (wholeBytes > 0) {
    bitmap.fill(0xff, bit >> 3, (bit >> 3) + wholeBytes);
    bit += wholeBytes * 8;
  }
  for (; bit < end; bit += 1) setBit(bitmap, bit);
}

function setBit(bitmap: Buffer, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** sparse_super: groups 0 and 1, and those that are a power of 3, 5 or 7. */
function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
