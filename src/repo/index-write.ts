/** Writes an index file for the guest: the host's entries with stat data that fits the guest's files. */
import { createHash } from "node:crypto";
import type { IndexEntry } from "./index-file.ts";

/** An entry to write. `clean` = the file in the guest has exactly this content; absent = git compares by itself. */
export interface GuestIndexEntry {
  entry: Pick<
    IndexEntry,
    "path" | "mode" | "oid" | "stage" | "assumeUnchanged" | "skipWorktree" | "intentToAdd"
  >;
  clean: { mtimeS: number; size: number } | undefined;
}

/**
 * An index of version 2, or 3 when an entry needs extended flags. Entries must be sorted as in an index. Only mtime
 * (seconds) and size are filled in: the guest's configuration says core.checkStat=minimal, so git asks no more, and
 * the first `git status` there reads no file that is known to be unchanged.
 */
export function writeIndex(entries: readonly GuestIndexEntry[], hashBytes: number): Buffer {
  const extended = ({ entry }: GuestIndexEntry) => entry.skipWorktree || entry.intentToAdd;
  const version = entries.some(extended) ? 3 : 2;
  let size = 12 + hashBytes;
  for (const item of entries) size += entrySize(item, hashBytes, extended(item));
  const out = Buffer.alloc(size);
  out.write("DIRC", 0, "latin1");
  out.writeUInt32BE(version, 4);
  out.writeUInt32BE(entries.length, 8);
  let at = 12;
  for (const item of entries) {
    const { entry, clean } = item;
    if (clean !== undefined) {
      out.writeUInt32BE(clean.mtimeS, at + 8);
      out.writeUInt32BE(clean.size % 2 ** 32, at + 36);
    }
    out.writeUInt32BE(entry.mode, at + 24);
    entry.oid.copy(out, at + 40);
    const name = at + 42 + hashBytes + (extended(item) ? 2 : 0);
    const flags =
      Math.min(entry.path.length, 0xfff) |
      (entry.stage << 12) |
      (extended(item) ? 0x4000 : 0) |
      (entry.assumeUnchanged ? 0x8000 : 0);
    out.writeUInt16BE(flags, at + 40 + hashBytes);
    if (extended(item)) {
      out.writeUInt16BE((entry.skipWorktree ? 0x4000 : 0) | (entry.intentToAdd ? 0x2000 : 0), name - 2);
    }
    entry.path.copy(out, name);
    at += entrySize(item, hashBytes, extended(item));
  }
  const algorithm = hashBytes === 32 ? "sha256" : "sha1";
  createHash(algorithm).update(out.subarray(0, at)).digest().copy(out, at);
  return out;
}

/** Fixed part, name, and 1-8 zero bytes up to a multiple of eight. */
function entrySize({ entry }: GuestIndexEntry, hashBytes: number, extended: boolean): number {
  return Math.ceil((42 + hashBytes + (extended ? 2 : 0) + entry.path.length + 1) / 8) * 8;
}
