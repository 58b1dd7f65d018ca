/**
 * The ext4 room: a fresh ext4 file system, filled without mounting it and without root.
 *
 * Owns what it knows of the format: mke2fs makes superblock, groups and journal; here inodes, directories, data and counts
 * are added. Promises: only a file system of the one known shape that nobody has used is touched; nothing outside of it is
 * written; after finish() e2fsck has nothing to say. Until then the disk is not to be used: whoever fails throws it away.
 * Never changes, deletes or reads what is in a file system, and never looks into one that a guest had. Content may also come
 * first, into a file that becomes the file system when it is known how large that must be (content-area.ts, settle.ts).
 *
 * All writes are synchronous; callers with much to write give the event loop its turn between them.
 */
export type { BlockRun } from "./allocate.ts";
export { ContentArea, type ContentWriter } from "./content-area.ts";
export { ContentTable } from "./content-table.ts";
export type { Directory } from "./directory.ts";
export type { Extent } from "./extents.ts";
export type { Ext4Filler } from "./filler.ts";
export { fillFromTar, type TarFilling } from "./from-tar.ts";
export type { Meta } from "./inode.ts";
export type { NodeWriter, Place } from "./nodes.ts";
export { type OpenFreshOptions, openFresh } from "./open-fresh.ts";
export { settle } from "./settle.ts";
export type { SpecialNode } from "./special.ts";
export type { ExtendedAttribute } from "./xattr.ts";
