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

/** Where i_extra_isize says that attributes begin. */
export const bodyOffset = 128 + 32;

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
  into.fill(0, at, at + inodeBytes);
  into.writeUInt16LE(inode.mode, at);
  into.writeUInt16LE(meta.uid & 0xffff, at + 2);
  into.writeUInt32LE(inode.sizeBytes % 2 ** 32, at + 4);
  into.writeUInt16LE(meta.gid & 0xffff, at + 24);
  into.writeUInt16LE(inode.links, at + 26);
  into.writeUInt32LE(inode.sectors % 2 ** 32, at + 28);
  into.writeUInt32LE(inode.flags, at + 32);
  inode.block.copy(into, at + 40);
  into.writeUInt32LE(inode.xattrBlock % 2 ** 32, at + 104);
  into.writeUInt32LE(Math.floor(inode.sizeBytes / 2 ** 32), at + 108);
  // 48 bits, by huge_file: more than the longest file has.
  into.writeUInt16LE(Math.floor(inode.sectors / 2 ** 32), at + 116);
  into.writeUInt16LE(Math.floor(inode.xattrBlock / 2 ** 32), at + 118);
  into.writeUInt16LE(meta.uid >>> 16, at + 120);
  into.writeUInt16LE(meta.gid >>> 16, at + 122);
  into.writeUInt16LE(32, at + 128);
  const ns = meta.mtimeNs ?? 0;
  writeTime(into, at + 8, at + 140, meta.mtimeS, ns); // atime
  writeTime(into, at + 12, at + 132, changedS, 0); // ctime
  writeTime(into, at + 16, at + 136, meta.mtimeS, ns);
  writeTime(into, at + 144, at + 148, changedS, 0); // crtime
  inode.xattrBody?.copy(into, at + bodyOffset);
  sealInode(into, at, seed);
}

/** The checksum over the inode with 0 for the checksum itself (ext4_inode_csum). */
export function sealInode(into: Buffer, at: number, seed: number): void {
  into.writeUInt16LE(0, at + 124);
  into.writeUInt16LE(0, at + 130);
  const checksum = crc32c(seed, into, at, at + inodeBytes);
  into.writeUInt16LE(checksum & 0xffff, at + 124);
  into.writeUInt16LE(checksum >>> 16, at + 130);
}

const earliestS = -(2 ** 31);
const latestS = 2 ** 34 - 2 ** 31 - 1;

/** "Inode Timestamps": 32 bits of seconds, signed; in the extra word two bits more of them, then nanoseconds. */
function writeTime(into: Buffer, at: number, extraAt: number, seconds: number, ns: number): void {
  const within = Math.min(Math.max(seconds, earliestS), latestS);
  const epoch = Math.floor((within + 2 ** 31) / 2 ** 32);
  into.writeInt32LE(within - epoch * 2 ** 32, at);
  into.writeUInt32LE(epoch + (within === seconds ? ns : 0) * 4, extraAt);
}
