/** Opens a file system for filling, after making sure that it is one to be filled. */
import { fstatSync } from "node:fs";
import { onlyExtent } from "./extents.ts";
import { Ext4Filler } from "./filler.ts";
import { GroupTable } from "./groups.ts";
import { inodeAt, inodeSeed, readHalves, sealInode } from "./inode.ts";
import { blockBytes, freshInodes, inodeBytes, lostAndFoundInode, nodeTypes, rootInode } from "./layout.ts";
import { type FreshDirectories, NodeWriter } from "./nodes.ts";
import { refused, Superblock } from "./superblock.ts";
import { Volume } from "./volume.ts";

/** Of i_mode: what kind of file it is. */
const typeBits = 0o170000;
/** mke2fs gives lost+found 16 KiB, that is four blocks, and the root one. */
const mostFreshBlocks = 16;

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
  const checksum = readHalves(raw, "checksum");
  sealInode(raw, 0, inodeSeed(geometry.checksumSeed, ino, raw.readUInt32LE(inodeAt.generation)));
  if (readHalves(raw, "checksum") !== checksum) throw refused(`the checksum of inode ${ino} is wrong`);
  const mode = raw.readUInt16LE(inodeAt.mode);
  const extent = onlyExtent(raw.subarray(inodeAt.block, inodeAt.generation));
  if (
    (mode & typeBits) !== nodeTypes.directory.mode ||
    extent === undefined ||
    extent.blocks > mostFreshBlocks ||
    extent.physical + extent.blocks > geometry.blocks
  )
    throw refused(`inode ${ino} is no empty directory`);
  const meta = {
    mode: mode & 0o7777,
    uid: readHalves(raw, "uid"),
    gid: readHalves(raw, "gid"),
    mtimeS: raw.readInt32LE(inodeAt.modified),
  };
  return { meta, start: extent.physical, count: extent.blocks };
}
