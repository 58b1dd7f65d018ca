/**
 * Extended attributes (Documentation/filesystems/ext4/attributes.rst, fs/ext4/xattr.h): behind the inode's fixed part, and
 * those that do not fit there in one block.
 */
import { BangerError } from "../base/base.ts";
import { aclOnDisk } from "./acl.ts";
import { crc32c } from "./crc32c.ts";
import { bodyOffset } from "./inode.ts";
import { blockBytes, inodeBytes } from "./layout.ts";

export interface ExtendedAttribute {
  /** In full, "security.capability"; one character per byte. */
  name: string;
  /** As getxattr has it. */
  value: Uint8Array;
}

const magic = 0xea020000;
const entryBytes = 16;
const blockHeaderBytes = 32;

/** e_name_index: what a name begins with is a number on the disk. */
const prefixes: [prefix: string, index: number][] = [
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
];
const acls: Record<string, number> = { "system.posix_acl_access": 2, "system.posix_acl_default": 3 };

interface Entry {
  index: number;
  name: Buffer;
  value: Buffer;
}

export interface EncodedAttributes {
  /** For the inode, at bodyOffset. */
  body: Buffer | undefined;
  /** Makes the block, once its number is known. */
  block: ((number: number) => Buffer) | undefined;
}

/** Throws bad_request for names that ext4 has no place for, and for more than one block holds. */
export function encodeAttributes(
  attributes: readonly ExtendedAttribute[] | undefined,
  checksumSeed: number,
): EncodedAttributes {
  if (attributes === undefined || attributes.length === 0) return { body: undefined, block: undefined };
  const entries = attributes.map(parse).sort(order);
  entries.forEach((entry, n) => {
    const before = entries[n - 1];
    if (before !== undefined && order(before, entry) === 0)
      throw new BangerError("bad_request", "an extended attribute is given twice");
  });
  const inBody: Entry[] = [];
  const inBlock: Entry[] = [];
  // A magic number before, and four zeros behind the entries.
  let bodyLeft = inodeBytes - bodyOffset - 8;
  let blockLeft = blockBytes - blockHeaderBytes - 4;
  for (const entry of entries) {
    const size = entryBytes + padded(entry.name.length) + padded(entry.value.length);
    if (size <= bodyLeft) {
      bodyLeft -= size;
      inBody.push(entry);
    } else {
      blockLeft -= size;
      inBlock.push(entry);
    }
  }
  if (blockLeft < 0) throw new BangerError("bad_request", "its extended attributes are larger than a block");
  return {
    body: inBody.length === 0 ? undefined : encodeBody(inBody),
    block: inBlock.length === 0 ? undefined : (number) => encodeBlock(inBlock, number, checksumSeed),
  };
}

function parse({ name, value }: ExtendedAttribute): Entry {
  const acl = acls[name];
  if (acl !== undefined) return { index: acl, name: Buffer.alloc(0), value: aclOnDisk(value) };
  for (const [prefix, index] of prefixes) {
    if (!name.startsWith(prefix)) continue;
    const rest = Buffer.from(name.slice(prefix.length), "latin1");
    if (rest.length === 0 || rest.length > 255 || rest.includes(0)) break;
    return { index, name: rest, value: Buffer.from(value.buffer, value.byteOffset, value.length) };
  }
  throw new BangerError("bad_request", `${JSON.stringify(name)} is no extended attribute that ext4 keeps`);
}

/** The order that lookups in a block rely on (ext4_xattr_find_entry). */
function order(one: Entry, other: Entry): number {
  return one.index - other.index || one.name.length - other.name.length || one.name.compare(other.name);
}

function encodeBody(entries: readonly Entry[]): Buffer {
  const body = Buffer.alloc(inodeBytes - bodyOffset);
  body.writeUInt32LE(magic, 0);
  // Offsets of values count from the first entry, and entries have no hashes here.
  place(body, 4, 4, entries, () => 0);
  return body;
}

function encodeBlock(entries: readonly Entry[], number: number, checksumSeed: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt32LE(magic, 0);
  block.writeUInt32LE(1, 4); // h_refcount
  block.writeUInt32LE(1, 8); // h_blocks
  let all = 0;
  place(block, blockHeaderBytes, 0, entries, (entry) => {
    const hash = entryHash(entry);
    all = (rotate(all, 16) ^ hash) >>> 0;
    return hash;
  });
  block.writeUInt32LE(all, 12);
  const where = Buffer.alloc(8);
  where.writeBigUInt64LE(BigInt(number));
  block.writeUInt32LE(crc32c(crc32c(checksumSeed, where), block), 16);
  return block;
}

/** Entries from `at` on; their values from the end downwards. */
function place(
  into: Buffer,
  start: number,
  base: number,
  entries: readonly Entry[],
  hash: (entry: Entry) => number,
): void {
  let at = start;
  let end = into.length;
  for (const entry of entries) {
    const { index, name, value } = entry;
    end -= padded(value.length);
    into[at] = name.length;
    into[at + 1] = index;
    into.writeUInt16LE(value.length === 0 ? 0 : end - base, at + 2);
    into.writeUInt32LE(value.length, at + 8);
    into.writeUInt32LE(hash(entry), at + 12);
    name.copy(into, at + entryBytes);
    value.copy(into, end);
    at += entryBytes + padded(name.length);
  }
}

/** ext4_xattr_hash_entry: over the name, then the value in words, the last of them padded with zeros. */
function entryHash({ name, value }: Entry): number {
  let hash = 0;
  for (const byte of name) hash = rotate(hash, 5) ^ byte;
  const words = Buffer.alloc(padded(value.length));
  value.copy(words);
  for (let at = 0; at < words.length; at += 4) hash = rotate(hash, 16) ^ words.readUInt32LE(at);
  return hash >>> 0;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
