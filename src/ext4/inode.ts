/** One inode as 256 bytes (Documentation/filesystems/ext4/inodes.rst), and what callers say of a file. */
import { BangerError } from "../base/base.ts";
import { crc32c, crc32cOfU32 } from "./crc32c.ts";
import { inodeBytes } from "./layout.ts";
import type { ExtendedAttribute } from "./xattr.ts";

/** What is said of a file, directory, link or device. */
export interface Meta {
  /** Permissions with set-id and sticky bits: 0 to 0o7777. */
  mode: number;
  /** Below 2^32 - 1. */
  uid: number;
  gid: number;
  /** Since 1970; below 1901 and above 2446 the nearest time that ext4 has. */
  mtimeS: number;
  mtimeNs?: number;
  xattrs?: readonly ExtendedAttribute[];
}

export function checkMeta(meta: Meta): void {
  const within = (value: number, most: number) => Number.isInteger(value) && value >= 0 && value <= most;
  if (!within(meta.mode, 0o7777)) throw new BangerError("bad_request", `${meta.mode} is no mode`);
  for (const id of [meta.uid, meta.gid])
    if (!within(id, 2 ** 32 - 2)) throw new BangerError("bad_request", `${id} is no user or group id`);
  if (!Number.isSafeInteger(meta.mtimeS) || !within(meta.mtimeNs ?? 0, 999_999_999))
    throw new BangerError("bad_request", `${meta.mtimeS} s ${meta.mtimeNs ?? 0} ns is no time`);
}

export interface InodeFields {
  /** With the bits of its type. */
  mode: number;
  meta: Meta;
  links: number;
  sizeBytes: number;
  /** All blocks that belong to it, in sectors of 512 bytes. */
  sectors: number;
  flags: number;
  /** i_block: a tree of extents, a short symlink's target, or a device's number. */
  block: Buffer;
  /** The block of extended attributes that did not fit, or 0. */
  xattrBlock: number;
  /** What goes behind the fixed part. */
  xattrBody: Buffer | undefined;
}

/** Where the fields of struct ext4_inode are. One with two halves goes on in its `High`. */
export const inodeAt = {
  mode: 0,
  uid: 2,
  sizeBytes: 4,
  accessed: 8,
  changed: 12,
  modified: 16,
  gid: 24,
  links: 26,
  sectors: 28,
  flags: 32,
  /** i_block, 60 bytes. */
  block: 40,
  generation: 100,
  xattrBlock: 104,
  sizeBytesHigh: 108,
  sectorsHigh: 116,
  xattrBlockHigh: 118,
  uidHigh: 120,
  gidHigh: 122,
  checksum: 124,
  extraBytes: 128,
  checksumHigh: 130,
  changedExtra: 132,
  modifiedExtra: 136,
  accessedExtra: 140,
  created: 144,
  createdExtra: 148,
} as const;

const extraBytes = 32;
/** Where i_extra_isize says that attributes begin. */
export const bodyOffset = inodeAt.extraBytes + extraBytes;

/** Inode, directory and extent checksums start with this: the number and i_generation, 0 for all that is made here. */
export function inodeSeed(checksumSeed: number, ino: number, generation = 0): number {
  return crc32cOfU32(crc32cOfU32(checksumSeed, ino), generation);
}

/** Encodes into `into` at `at`. `changedS`: when the file system was filled. */
export function encodeInode(
  into: Buffer,
  at: number,
  seed: number,
  inode: InodeFields,
  changedS: number,
): void {
  const { meta } = inode;
  const put16 = (field: keyof typeof inodeAt, value: number) =>
    into.writeUInt16LE(value, at + inodeAt[field]);
  const put32 = (field: keyof typeof inodeAt, value: number) =>
    into.writeUInt32LE(value, at + inodeAt[field]);
  into.fill(0, at, at + inodeBytes);
  put16("mode", inode.mode);
  put16("uid", meta.uid & 0xffff);
  put16("uidHigh", meta.uid >>> 16);
  put16("gid", meta.gid & 0xffff);
  put16("gidHigh", meta.gid >>> 16);
  put16("links", inode.links);
  put32("flags", inode.flags);
  put32("sizeBytes", inode.sizeBytes % 2 ** 32);
  put32("sizeBytesHigh", Math.floor(inode.sizeBytes / 2 ** 32));
  // 48 bits, by huge_file: more than the longest file has.
  put32("sectors", inode.sectors % 2 ** 32);
  put16("sectorsHigh", Math.floor(inode.sectors / 2 ** 32));
  put32("xattrBlock", inode.xattrBlock % 2 ** 32);
  put16("xattrBlockHigh", Math.floor(inode.xattrBlock / 2 ** 32));
  put16("extraBytes", extraBytes);
  const ns = meta.mtimeNs ?? 0;
  writeTime(into, at, "accessed", meta.mtimeS, ns);
  writeTime(into, at, "modified", meta.mtimeS, ns);
  writeTime(into, at, "changed", changedS, 0);
  writeTime(into, at, "created", changedS, 0);
  inode.block.copy(into, at + inodeAt.block);
  inode.xattrBody?.copy(into, at + bodyOffset);
  sealInode(into, at, seed);
}

/** Where uid, gid and the checksum have their upper 16 bits. */
const highHalf = { uid: "uidHigh", gid: "gidHigh", checksum: "checksumHigh" } as const;

/** A field in two halves, of an inode alone in `inode`. */
export function readHalves(inode: Buffer, field: keyof typeof highHalf): number {
  return inode.readUInt16LE(inodeAt[field]) + inode.readUInt16LE(inodeAt[highHalf[field]]) * 2 ** 16;
}

/** The checksum over the inode with 0 for the checksum itself (ext4_inode_csum). */
export function sealInode(into: Buffer, at: number, seed: number): void {
  writeChecksum(into, at, 0);
  writeChecksum(into, at, crc32c(seed, into, at, at + inodeBytes));
}

function writeChecksum(into: Buffer, at: number, checksum: number): void {
  into.writeUInt16LE(checksum & 0xffff, at + inodeAt.checksum);
  into.writeUInt16LE(checksum >>> 16, at + inodeAt.checksumHigh);
}

const earliestS = -(2 ** 31);
const latestS = 2 ** 34 - 2 ** 31 - 1;

/** "Inode Timestamps": 32 bits of seconds, signed; in the extra word two bits more of them, then nanoseconds. */
function writeTime(
  into: Buffer,
  at: number,
  which: "accessed" | "modified" | "changed" | "created",
  seconds: number,
  ns: number,
): void {
  const within = Math.min(Math.max(seconds, earliestS), latestS);
  const epoch = Math.floor((within + 2 ** 31) / 2 ** 32);
  into.writeInt32LE(within - epoch * 2 ** 32, at + inodeAt[which]);
  into.writeUInt32LE(epoch + (within === seconds ? ns : 0) * 4, at + inodeAt[`${which}Extra`]);
}
