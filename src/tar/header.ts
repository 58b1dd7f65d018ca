/** The 512 bytes before each entry: POSIX.1-2001 "ustar Interchange Format", and the older form that GNU tar still writes. */
import { malformed, maxSizeBytes } from "./entry.ts";

export const headerBytes = 512;

export interface Header {
  typeFlag: string;
  path: Buffer;
  linkTarget: Buffer;
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  mtimeS: number;
  deviceMajor: number;
  deviceMinor: number;
}

/** Undefined for a block of zeros. `block` has 512 bytes; what is returned does not refer to them. */
export function parseHeader(block: Buffer): Header | undefined {
  // The bytes of the checksum count as spaces.
  let sum = 8 * 0x20;
  for (let at = 0; at < 148; at += 1) sum += block[at] ?? 0;
  for (let at = 156; at < headerBytes; at += 1) sum += block[at] ?? 0;
  if (sum === 8 * 0x20 && isEmpty(block)) return undefined;
  if (number(block, 148, 8, "checksum") !== sum) throw malformed("a header's checksum is wrong");
  const magic = block.toString("latin1", 257, 265);
  const posix = magic === "ustar\u000000";
  if (!posix && magic !== "ustar  \0") throw malformed("a header is neither ustar nor GNU");
  const name = text(block, 0, 100);
  const prefix = posix || hasGoPrefix(block) ? text(block, 345, 155) : empty;
  const sizeBytes = number(block, 124, 12, "size");
  if (sizeBytes < 0 || sizeBytes > maxSizeBytes) throw malformed(`an entry of ${sizeBytes} bytes`);
  return {
    typeFlag: String.fromCharCode(block[156] ?? 0),
    path: prefix.length === 0 ? name : Buffer.concat([prefix, slash, name]),
    linkTarget: text(block, 157, 100),
    mode: number(block, 100, 8, "mode") & 0o7777,
    uid: number(block, 108, 8, "uid"),
    gid: number(block, 116, 8, "gid"),
    sizeBytes,
    mtimeS: number(block, 136, 12, "mtime"),
    deviceMajor: number(block, 329, 8, "devmajor"),
    deviceMinor: number(block, 337, 8, "devminor"),
  };
}

/**
 * Go's writer before 1.8 put a prefix into GNU's headers, which have times there: layers of those years
 * are of that kind. As its reader does since: what are no times, but ASCII, is a prefix.
 */
function hasGoPrefix(block: Buffer): boolean {
  const isTime = (at: number) => block[at] === 0 || isNumber(block, at);
  return !(isTime(345) && isTime(357)) && text(block, 345, 155).every((byte) => byte < 0x80);
}

function isNumber(block: Buffer, at: number): boolean {
  try {
    number(block, at, 12, "time");
    return true;
  } catch {
    return false;
  }
}

const empty = Buffer.alloc(0);
const slash = Buffer.from("/");
const zeros = Buffer.alloc(headerBytes);

function isEmpty(block: Buffer): boolean {
  return block.compare(zeros) === 0;
}

/** A copy, up to the first zero. */
function text(block: Buffer, at: number, bytes: number): Buffer {
  let end = at;
  while (end < at + bytes && block[end] !== 0) end += 1;
  return end === at ? empty : Buffer.from(block.subarray(at, end));
}

/**
 * Octal digits between spaces and zeros; or, when the first bit is set, a signed big-endian number in the rest (GNU tar
 * manual, "Extensions"). All spaces or zeros: 0.
 */
export function number(block: Buffer, at: number, bytes: number, what: string): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) return base256(block, at, bytes, what);
  const end = at + bytes;
  let n = at;
  while (n < end && block[n] === 0x20) n += 1;
  let value = 0;
  for (; n < end; n += 1) {
    const digit = (block[n] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; n < end; n += 1)
    if (block[n] !== 0 && block[n] !== 0x20) throw malformed(`a header's ${what} is no number`);
  return value;
}

function base256(block: Buffer, at: number, bytes: number, what: string): number {
  const negative = ((block[at] ?? 0) & 0x40) !== 0;
  // Two's complement of the bits after the first.
  let value = ((block[at] ?? 0) & 0x7f) - (negative ? 0x80 : 0);
  for (let n = at + 1; n < at + bytes; n += 1) {
    value = value * 256 + (block[n] ?? 0);
    if (!Number.isSafeInteger(value)) throw malformed(`a header's ${what} is beyond all bounds`);
  }
  return value;
}
