/**
 * Reads git's index file (versions 2, 3 and 4), without git.
 *
 * Layout (gitformat-index(5)): "DIRC", version, count; sorted entries of ten 32-bit numbers, object name, flags, name;
 * extensions; checksum. It comes from a hostile repository: every length is checked, and names that git would not
 * accept are refused here.
 */
import { BangerError } from "../base/base.ts";

export interface IndexEntry {
  path: Buffer;
  /** 0o100644, 0o100755, 0o120000 (symlink), 0o160000 (submodule). */
  mode: number;
  /** Raw object name: 20 or 32 bytes. */
  oid: Buffer;
  /** 0, or 1-3 in a conflict. */
  stage: number;
  assumeUnchanged: boolean;
  skipWorktree: boolean;
  intentToAdd: boolean;
  /** What git saw when it last found the file unchanged. Seconds, nanoseconds, bytes (modulo 2^32). */
  stat: { ctimeS: number; ctimeNs: number; mtimeS: number; mtimeNs: number; ino: number; size: number };
}

export interface ParsedIndex {
  entries: IndexEntry[];
  /** Split or sparse: entries are elsewhere, and git must write a full index first. */
  incomplete: boolean;
}

const flagAssumeUnchanged = 0x8000;
const flagExtended = 0x4000;
const flag2SkipWorktree = 0x4000;
const flag2IntentToAdd = 0x2000;

/** Parses an index; `hashBytes` is 20 (SHA-1) or 32 (SHA-256). Throws bad_repository for anything malformed. */
export function parseIndex(bytes: Buffer, hashBytes: number): ParsedIndex {
  if (bytes.length < 12 + hashBytes || bytes.toString("latin1", 0, 4) !== "DIRC")
    throw damaged("no index header");
  const version = bytes.readUInt32BE(4);
  if (version < 2 || version > 4) throw damaged(`version ${version}`);
  const count = bytes.readUInt32BE(8);
  const end = bytes.length - hashBytes;
  const fixed = 40 + hashBytes + 2;
  const entries: IndexEntry[] = [];
  let at = 12;
  let previous: Buffer = Buffer.alloc(0);
  for (let n = 0; n < count; n += 1) {
    if (at + fixed > end) throw damaged("it ends too early");
    const start = at;
    const flags = bytes.readUInt16BE(at + 40 + hashBytes);
    let flags2 = 0;
    at += fixed;
    if ((flags & flagExtended) !== 0) {
      if (version < 3) throw damaged("unknown flags");
      flags2 = bytes.readUInt16BE(at);
      at += 2;
    }
    let path: Buffer;
    if (version === 4) {
      const { value: strip, next } = readVarint(bytes, at, end);
      const nul = bytes.indexOf(0, next);
      if (nul < 0 || nul >= end || strip > previous.length) throw damaged("bad name compression");
      path = Buffer.concat([previous.subarray(0, previous.length - strip), bytes.subarray(next, nul)]);
      at = nul + 1;
    } else {
      const nul = (flags & 0xfff) < 0xfff ? at + (flags & 0xfff) : bytes.indexOf(0, at);
      if (nul < at || nul >= end || bytes[nul] !== 0) throw damaged("bad name length");
      path = bytes.subarray(at, nul);
      at = start + Math.ceil((nul - start + 1) / 8) * 8;
    }
    const stage = (flags >> 12) & 3;
    previous = path;
    entries.push({
      path,
      mode: bytes.readUInt32BE(start + 24),
      oid: bytes.subarray(start + 40, start + 40 + hashBytes),
      stage,
      assumeUnchanged: (flags & flagAssumeUnchanged) !== 0,
      skipWorktree: (flags2 & flag2SkipWorktree) !== 0,
      intentToAdd: (flags2 & flag2IntentToAdd) !== 0,
      stat: {
        ctimeS: bytes.readUInt32BE(start),
        ctimeNs: bytes.readUInt32BE(start + 4),
        mtimeS: bytes.readUInt32BE(start + 8),
        mtimeNs: bytes.readUInt32BE(start + 12),
        ino: bytes.readUInt32BE(start + 20),
        size: bytes.readUInt32BE(start + 36),
      },
    });
  }
  const incomplete = hasMandatoryExtension(bytes, at, end);
  // A split index has entries without names, a sparse one has directories: git makes a full one of them first.
  if (!incomplete) checkEntries(entries);
  return { entries, incomplete };
}

function checkEntries(entries: readonly IndexEntry[]): void {
  let last: IndexEntry | undefined;
  for (const entry of entries) {
    checkWorkspacePath(entry.path);
    const { mode } = entry;
    if (mode !== 0o100644 && mode !== 0o100755 && mode !== 0o120000 && mode !== 0o160000) {
      throw damaged(`mode ${mode.toString(8)}`);
    }
    const order = last?.path.compare(entry.path) ?? -1;
    if (order > 0 || (order === 0 && entry.stage <= (last?.stage ?? 0))) throw damaged("names out of order");
    last = entry;
  }
}

/** Refuses names that would leave the work tree or write into a .git directory when unpacked. */
export function checkWorkspacePath(path: Buffer): void {
  let start = 0;
  for (let at = 0; at <= path.length; at += 1) {
    const byte = at === path.length ? 0x2f : path[at];
    if (byte === 0) throw damaged("a name with a zero byte");
    if (byte !== 0x2f) continue;
    const length = at - start;
    const dots = path[start] === 0x2e && (length === 1 || (length === 2 && path[start + 1] === 0x2e));
    const git = length === 4 && path.toString("latin1", start, at).toLowerCase() === ".git";
    if (length === 0 || dots || git) throw damaged("a name that is no path in the work tree");
    start = at + 1;
  }
}

/** "link" (split index) and "sdir" (sparse index) hold entries elsewhere; other lower-case names are unknown to us. */
function hasMandatoryExtension(bytes: Buffer, from: number, end: number): boolean {
  let at = from;
  let found = false;
  while (at + 8 <= end) {
    const name = bytes.toString("latin1", at, at + 4);
    at += 8 + bytes.readUInt32BE(at + 4);
    if (name === "link" || name === "sdir") found = true;
    else if (!/^[A-Z]/.test(name)) throw damaged("an unknown extension");
  }
  if (at !== end) throw damaged("bad extensions");
  return found;
}

/** Git's offset encoding (varint.c): seven bits a byte, high bit = more, one added at each step. */
function readVarint(bytes: Buffer, from: number, end: number): { value: number; next: number } {
  let at = from;
  let byte = bytes[at] ?? 0;
  let value = byte & 127;
  at += 1;
  while ((byte & 128) !== 0) {
    if (at >= end || value > 1_000_000) throw damaged("bad name compression");
    byte = bytes[at] ?? 0;
    value = (value + 1) * 128 + (byte & 127);
    at += 1;
  }
  return { value, next: at };
}

function damaged(what: string): BangerError {
  return new BangerError("bad_repository", `the repository's index is damaged or not understood: ${what}`, {
    hint: "rebuild it with: rm .git/index && git reset",
  });
}
