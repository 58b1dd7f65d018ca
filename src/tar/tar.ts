/**
 * The tar room: archives read as they arrive, and headers for those that are made.
 *
 * Owns the format (POSIX.1-2001 ustar and pax, GNU's long names, numbers and sparse files; SCHILY's extended attributes).
 * Promises: what is not exactly an archive is refused, before anything of the entry in question is told; memory is
 * bounded whatever the archive says; data are passed on as slices of what came in. Never touches a file: what paths mean,
 * and which of them are welcome, is for whoever listens.
 *
 * Why not tar-stream, which release/ uses for the archives of known programs: names and attributes are bytes, and it makes
 * text of pax records, which no security.capability survives; it passes over what it does not know; and its streams take
 * 350 ms for 5,000 files of 50 MB where this takes 40 (both on a machine with a load of 10, 2026-11-27).
 */

export type { TarAttribute, TarEntry, TarEntryType, TarListener } from "./entry.ts";
export type { FileSink } from "./file-sink.ts";
export { TarReader } from "./reader.ts";
export { type TarMember, tarEnd, tarHeader, tarPadding } from "./write-header.ts";
