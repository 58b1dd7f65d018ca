/** Opens a file system for filling, after making sure that it is one to be filled. */
import { fstatSync } from "node:fs";
import { crc32c } from "./crc32c.ts";
import { Ext4Filler } from "./filler.ts";
import { GroupTable } from "./groups.ts";
import { inodeSeed } from "./inode.ts";
import { blockBytes, freshInodes, inodeBytes, lostAndFoundInode, rootInode } from "./layout.ts";
import { type FreshDirectories, NodeWriter } from "./nodes.ts";
import { refused, Superblock } from "./superblock.ts";
import { Volume } from "./volume.ts";

export interface OpenFreshOptions {
  /** For inodes' change and birth times, and directories that nobody describes; seconds since 1970. */
  nowS?: number;
}

/**
 * `fd` is open for reading and writing, stays the caller's, and is used until finish(). Throws corrupt for anything but a
 * fresh file system of the shape that disk/work-disk.ts asks mke2fs for. Nothing is written yet.
 */
export function openFresh(
  fd: number,
  { nowS = Math.floor(Date.now() / 1000) }: OpenFreshOptions = {},
): Ext4Filler {
  const volume = new Volume(fd, fstatSync(fd).size);
  const superblock = new Superblock(volume);
  const { geometry } = superblock;
  if (superblock.freeInodes !== geometry.groups * geometry.inodesPerGroup - freshInodes)
    throw refused("there are files in it");
  const groups = new GroupTable(volume, geometry);
  let free = 0;
  for (let group = 0; group < geometry.groups; group += 1) free += groups.get(group, "freeBlocks");
  if (free !== superblock.freeBlocks) throw refused("its groups' free blocks are not those it says");
  const directory = (ino: number) => readDirectory(volume, groups, ino);
  const fresh = { root: directory(rootInode), lostAndFound: directory(lostAndFoundInode) };
  return new Ext4Filler(new NodeWriter(superblock, groups, fresh, nowS));
}

/** A directory as mke2fs makes it: its blocks are one extent, kept in the inode. */
function readDirectory(volume: Volume, groups: GroupTable, ino: number): FreshDirectories["root"] {
  const { geometry } = groups;
  const at = groups.get(0, "inodeTable") * blockBytes + (ino - 1) * inodeBytes;
  const raw = volume.read(at, inodeBytes);
  const checksum = raw.readUInt16LE(124) + raw.readUInt16LE(130) * 2 ** 16;
  raw.writeUInt16LE(0, 124);
  raw.writeUInt16LE(0, 130);
  if (crc32c(inodeSeed(geometry.checksumSeed, ino, raw.readUInt32LE(100)), raw) !== checksum)
    throw refused(`the checksum of inode ${ino} is wrong`);
  const mode = raw.readUInt16LE(0);
  const oneExtent =
    raw.readUInt16LE(40) === 0xf30a && raw.readUInt16LE(42) === 1 && raw.readUInt16LE(46) === 0;
  const start = raw.readUInt32LE(60) + raw.readUInt16LE(58) * 2 ** 32;
  const count = raw.readUInt16LE(56);
  if ((mode & 0o170000) !== 0o040000 || !oneExtent || count > 16 || start + count > geometry.blocks)
    throw refused(`inode ${ino} is no empty directory`);
  const id = (low: number, high: number) => raw.readUInt16LE(low) + raw.readUInt16LE(high) * 2 ** 16;
  const meta = { mode: mode & 0o7777, uid: id(2, 120), gid: id(24, 122), mtimeS: raw.readInt32LE(16) };
  return { meta, start, count };
}
