/**
 * The superblock (Documentation/filesystems/ext4/super.rst), read strictly: a file system of another shape, one that was
 * ever mounted or that is not clean is refused.
 */
import { BangerError } from "../base/base.ts";
import { crc32c } from "./crc32c.ts";
import { blockBytes, blocksPerGroup, descriptorBytes, inodeBytes } from "./layout.ts";
import type { Volume } from "./volume.ts";

const offsetBytes = 1024;
const lengthBytes = 1024;

/** Feature words: what must be there, and what may. Anything else has rules that are not known here. */
const features = [
  // s_feature_compat: ext_attr, dir_index; has_journal, resize_inode
  { at: 0x5c, must: 0x8 | 0x20, may: 0x4 | 0x10 },
  // s_feature_incompat: filetype, extents, 64bit, flex_bg
  { at: 0x60, must: 0x2 | 0x40 | 0x80 | 0x200, may: 0 },
  // s_feature_ro_compat: sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum
  { at: 0x64, must: 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400, may: 0 },
];

/** Fields that have one value in every file system of the known shape: offset, bytes, value, meaning. */
const fixed: [at: number, bytes: 1 | 2 | 4, value: number, what: string][] = [
  [0x4c, 4, 1, "its revision is not 1"],
  [0x14, 4, 0, "its first data block is not 0"],
  [0x18, 4, 2, "its blocks are not of 4 KiB"],
  [0x1c, 4, 2, "its clusters are not of 4 KiB"],
  [0x20, 4, blocksPerGroup, "its groups are not of 32768 blocks"],
  [0x24, 4, blocksPerGroup, "its groups are not of 32768 clusters"],
  [0x48, 4, 0, "it was not made for Linux"],
  [0x54, 4, 11, "its first inode is not 11"],
  [0x58, 2, inodeBytes, "its inodes are not of 256 bytes"],
  [0xfe, 2, descriptorBytes, "its group descriptors are not of 64 bytes"],
  [0xfc, 1, 1, "its directories are not hashed by half MD4"],
  [0x15c, 2, 32, "its inodes do not have 32 extra bytes"],
  [0x15e, 2, 32, "its inodes do not have 32 extra bytes"],
  [0x175, 1, 1, "its checksums are not CRC-32C"],
  [0x3a, 2, 1, "it is not clean"],
  [0x34, 2, 0, "it has been mounted"],
  [0xe8, 4, 0, "it has orphaned inodes"],
  [0x194, 4, 0, "errors were found in it"],
];

/** s_flags: how names were hashed where it was made. */
const signedHash = 1;
const unsignedHash = 2;

export interface Geometry {
  blocks: number;
  groups: number;
  inodesPerGroup: number;
  /** Blocks of the descriptor table, and those kept behind it for growth, in each group that has a copy. */
  descriptorBlocks: number;
  reservedDescriptorBlocks: number;
  /** What metadata_csum starts each checksum with: that of the UUID. */
  checksumSeed: number;
  hashSeed: readonly [number, number, number, number];
  signedHash: boolean;
}

export class Superblock {
  readonly geometry: Geometry;
  readonly freeInodes: number;
  readonly #raw: Buffer;

  /** Throws corrupt for anything but a clean file system of the known shape that was never mounted. */
  constructor(readonly volume: Volume) {
    if (volume.sizeBytes < offsetBytes + lengthBytes) throw refused("it is too small");
    const raw = volume.read(offsetBytes, lengthBytes);
    this.#raw = raw;
    if (raw.readUInt16LE(0x38) !== 0xef53) throw refused("its magic number is not ext4's");
    for (const { at, must, may } of features) {
      const has = raw.readUInt32LE(at);
      if ((has & must) !== must)
        throw refused(`it lacks features (0x${(must & ~has).toString(16)} at ${at})`);
      if ((has & ~(must | may)) !== 0)
        throw refused(
          `it has features that are not known here (0x${((has & ~(must | may)) >>> 0).toString(16)} at ${at})`,
        );
    }
    for (const [at, bytes, value, what] of fixed) {
      if (raw.readUIntLE(at, bytes) !== value) throw refused(what);
    }
    if (this.#checksum() !== raw.readUInt32LE(0x3fc)) throw refused("its superblock's checksum is wrong");
    this.geometry = readGeometry(raw, volume.sizeBytes);
    this.freeInodes = raw.readUInt32LE(0x10);
    volume.sizeBytes = this.geometry.blocks * blockBytes;
  }

  get freeBlocks(): number {
    return this.#raw.readUInt32LE(0x0c) + this.#raw.readUInt32LE(0x158) * 2 ** 32;
  }

  /** Writes the primary copy. The others keep the counts of mke2fs; e2fsck, which may use them, counts anew. */
  write(freeBlocks: number, freeInodes: number): void {
    this.#raw.writeUInt32LE(freeBlocks % 2 ** 32, 0x0c);
    this.#raw.writeUInt32LE(Math.floor(freeBlocks / 2 ** 32), 0x158);
    this.#raw.writeUInt32LE(freeInodes, 0x10);
    this.#raw.writeUInt32LE(this.#checksum(), 0x3fc);
    this.volume.write(offsetBytes, this.#raw);
  }

  #checksum(): number {
    return crc32c(0xffffffff, this.#raw, 0, 0x3fc);
  }
}

function readGeometry(raw: Buffer, fileBytes: number): Geometry {
  const blocks = raw.readUInt32LE(0x04) + raw.readUInt32LE(0x150) * 2 ** 32;
  const inodes = raw.readUInt32LE(0x00);
  const inodesPerGroup = raw.readUInt32LE(0x28);
  const groups = Math.ceil(blocks / blocksPerGroup);
  if (blocks < 64 || blocks * blockBytes > fileBytes) throw refused("it is larger than its disk");
  const inodesPerBlock = blockBytes / inodeBytes;
  if (
    inodesPerGroup < inodesPerBlock ||
    inodesPerGroup > blocksPerGroup ||
    inodesPerGroup % inodesPerBlock !== 0
  )
    throw refused(`it has ${inodesPerGroup} inodes in a group`);
  if (inodes !== groups * inodesPerGroup) throw refused("its inodes are not as many as its groups have");
  const descriptorBlocks = Math.ceil((groups * descriptorBytes) / blockBytes);
  const reservedDescriptorBlocks = raw.readUInt16LE(0xce);
  if (1 + descriptorBlocks + reservedDescriptorBlocks >= blocksPerGroup)
    throw refused("its descriptors do not fit into a group");
  const hashing = raw.readUInt32LE(0x160) & (signedHash | unsignedHash);
  if (hashing !== signedHash && hashing !== unsignedHash)
    throw refused("it does not say how names are hashed");
  const word = (n: number) => raw.readUInt32LE(0xec + 4 * n);
  return {
    blocks,
    groups,
    inodesPerGroup,
    descriptorBlocks,
    reservedDescriptorBlocks,
    checksumSeed: crc32c(0xffffffff, raw, 0x68, 0x78),
    hashSeed: [word(0), word(1), word(2), word(3)],
    signedHash: hashing === signedHash,
  };
}

export function refused(why: string): BangerError {
  return new BangerError("corrupt", `the disk is no fresh ext4 file system of banger's: ${why}`, {
    hint: "make it anew with mke2fs; a file system that was used is never filled",
  });
}
