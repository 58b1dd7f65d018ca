/**
 * Numbers of the format: kernel fs/ext4/ext4.h and Documentation/filesystems/ext4/. Only one shape is known here, the
 * one that disk/work-disk.ts has mke2fs make.
 */
export const blockBytes = 4096;
export const inodeBytes = 256;
/** A block bitmap is one block: so many blocks has a group. */
export const blocksPerGroup = 8 * blockBytes;
export const descriptorBytes = 64;
export const sectorsPerBlock = blockBytes / 512;

/** special_inodes.rst */
export const rootInode = 2;
export const lostAndFoundInode = 11;
/** What a fresh file system has in use: ten reserved inodes, and lost+found. */
export const freshInodes = 11;

/** The end of a checksummed directory block: a struct ext4_dir_entry_tail. */
export const directoryTailBytes = 12;
/** Above this many links a directory has 1 (dir_nlink), and a file can have no more: EXT4_LINK_MAX. */
export const maxLinks = 65000;
/** Logical block numbers have 32 bits. The kernel's own limit (ext4_max_size) is as much. */
export const maxFileBytes = (2 ** 32 - 1) * blockBytes;

/** i_flags */
export const flagIndex = 0x1000;
export const flagExtents = 0x80000;

/** Types as in the upper bits of i_mode, and as in directory entries (EXT4_FT_...). */
export const nodeTypes = {
  file: { mode: 0o100000, entry: 1 },
  directory: { mode: 0o040000, entry: 2 },
  char: { mode: 0o020000, entry: 3 },
  block: { mode: 0o060000, entry: 4 },
  fifo: { mode: 0o010000, entry: 5 },
  socket: { mode: 0o140000, entry: 6 },
  symlink: { mode: 0o120000, entry: 7 },
} as const;
export type NodeType = keyof typeof nodeTypes;

export const zeroBlock: Buffer = Buffer.alloc(blockBytes);
