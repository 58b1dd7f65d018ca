/**
 * Maps of sparse files (GNU tar manual, "Storing Sparse Files"): which parts of a file its data are. The old form has
 * them in the header and in blocks behind it, pax 0.0 and 0.1 in records, pax 1.0 before the data.
 */
import { malformed, maxNameBytes, maxSizeBytes } from "./entry.ts";
import { headerBytes, number } from "./header.ts";
import { type PaxRecords, whole } from "./pax.ts";

/** Offset and length of each part, in turn; ascending, not overlapping. */
export type SparseMap = number[];

/** More parts than any honest file has; a map is kept in memory. */
const maxParts = 2 ** 20;

/** Adds the entries of a header (4 from byte 386) or of a block behind it (21 from 0). Returns whether another block follows. */
export function parseOldMap(block: Buffer, isHeader: boolean, into: SparseMap): boolean {
  const start = isHeader ? 386 : 0;
  const entries = isHeader ? 4 : 21;
  for (let n = 0; n < entries; n += 1) {
    const at = start + n * 24;
    if (block[at] === 0) break;
    into.push(number(block, at, 12, "sparse map"), number(block, at + 12, 12, "sparse map"));
  }
  if (into.length > 2 * maxParts) throw malformed("a sparse file has too many parts");
  return block[isHeader ? 482 : 504] !== 0;
}

/** The size of the file of which an old header has parts. */
export function oldRealSize(header: Buffer): number {
  const size = number(header, 483, 12, "real size");
  if (size < 0) throw malformed("a sparse file of a negative size");
  return size;
}

/** What the records say of a sparse file; undefined when it is none. `map` is undefined where it precedes the data. */
export function paxSparse(
  records: PaxRecords,
): { name: Buffer | undefined; realSize: number; map: SparseMap | undefined } | undefined {
  const major = whole(records, "GNU.sparse.major", 1);
  const map = records.get("GNU.sparse.map");
  if (major === undefined && map === undefined) return undefined;
  const name = records.get("GNU.sparse.name");
  if (name !== undefined && (name.length === 0 || name.length > maxNameBytes || name.includes(0)))
    throw malformed("a sparse file's name is none");
  const realSize =
    whole(records, "GNU.sparse.realsize", maxSizeBytes) ?? whole(records, "GNU.sparse.size", maxSizeBytes);
  if (realSize === undefined) throw malformed("a sparse file does not say its size");
  if (major === 1) return { name, realSize, map: undefined };
  const parts = (map?.length ?? 0) === 0 ? [] : (map?.toString("latin1").split(",") ?? []).map(decimal);
  return { name, realSize, map: parts };
}

/** Reads the lines of version 1.0's map as its blocks arrive. */
export class LeadingMap {
  readonly map: SparseMap = [];
  #expected: number | undefined;
  #line = "";

  /** Returns whether the map was complete at the end of this block; what is behind it in the block is padding. */
  push(block: Buffer): boolean {
    for (let at = 0; at < headerBytes; at += 1) {
      const byte = block[at] ?? 0;
      if (byte !== 0x0a) {
        this.#line += String.fromCharCode(byte);
        if (this.#line.length > 16) throw malformed("a sparse file's map is none");
        continue;
      }
      const value = decimal(this.#line);
      this.#line = "";
      if (this.#expected === undefined) this.#expected = 2 * value;
      else this.map.push(value);
      if (this.#expected > 2 * maxParts) throw malformed("a sparse file has too many parts");
      if (this.map.length === this.#expected) return true;
    }
    return false;
  }
}

/** Throws unless the parts ascend within the file and are as long as its data. */
export function checkMap(map: SparseMap, realSize: number, dataBytes: number): void {
  let end = 0;
  let data = 0;
  if (map.length % 2 !== 0 || map.length > 2 * maxParts) throw malformed("a sparse file's map is none");
  for (let n = 0; n < map.length; n += 2) {
    const offset = map[n] ?? 0;
    const length = map[n + 1] ?? 0;
    if (offset < end || length < 0) throw malformed("a sparse file's parts overlap");
    end = offset + length;
    data += length;
  }
  if (end > realSize || realSize > maxSizeBytes) throw malformed("a sparse file's parts reach over its end");
  if (data !== dataBytes) throw malformed("a sparse file's parts are not as long as its data");
}

function decimal(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw malformed("a sparse file's map is none");
  return Number(text);
}
