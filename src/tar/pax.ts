/** pax records (POSIX.1-2001 "pax Extended Header"): `LENGTH KEY=VALUE\n`, values being bytes. */
import { malformed, maxNameBytes, maxSizeBytes, type TarAttribute } from "./entry.ts";
import type { Header } from "./header.ts";

/** By key, one character per byte. An empty value takes a key back. */
export type PaxRecords = Map<string, Buffer>;

const newline = 0x0a;
const equals = 0x3d;
const space = 0x20;

/**
 * Adds the records of one header to `into`. Those of a map of a sparse file (version 0.0), the only ones to come more
 * than once, are joined by commas, which is version 0.1's form of them.
 */
export function parsePax(body: Buffer, into: PaxRecords): void {
  let at = 0;
  while (at < body.length) {
    let length = 0;
    let n = at;
    for (; n < body.length && body[n] !== space; n += 1) {
      const digit = (body[n] ?? 0) - 0x30;
      if (digit < 0 || digit > 9 || n - at > 7) throw malformed("a pax record's length is no number");
      length = length * 10 + digit;
    }
    const end = at + length;
    const key = body.indexOf(equals, n);
    if (
      end > body.length ||
      end - 1 <= n ||
      body[end - 1] !== newline ||
      key < 0 ||
      key >= end ||
      key === n + 1 ||
      body.subarray(n, key).includes(0)
    )
      throw malformed("a pax record is malformed");
    put(into, body.toString("latin1", n + 1, key), Buffer.from(body.subarray(key + 1, end - 1)));
    at = end;
  }
}

function put(into: PaxRecords, key: string, value: Buffer): void {
  if (key !== "GNU.sparse.offset" && key !== "GNU.sparse.numbytes") {
    into.set(key, value);
    return;
  }
  const map = into.get("GNU.sparse.map");
  into.set("GNU.sparse.map", map === undefined ? value : Buffer.concat([map, Buffer.from(","), value]));
}

const attributePrefix = "SCHILY.xattr.";

/** The header with what the records say instead. */
export function applyPax(header: Header, records: PaxRecords): Header {
  if (records.size === 0) return header;
  const result = { ...header };
  result.path = name(records, "path") ?? header.path;
  result.linkTarget = name(records, "linkpath") ?? header.linkTarget;
  result.sizeBytes = whole(records, "size", maxSizeBytes) ?? header.sizeBytes;
  result.uid = whole(records, "uid", 2 ** 32 - 1) ?? header.uid;
  result.gid = whole(records, "gid", 2 ** 32 - 1) ?? header.gid;
  return result;
}

function name(records: PaxRecords, key: string): Buffer | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  if (value.length > maxNameBytes || value.includes(0))
    throw malformed(`a ${key} is longer than any, or has zeros in it`);
  return value;
}

/** A decimal number of a record, undefined when there is none. */
export function whole(records: PaxRecords, key: string, most: number): number | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  const text = value.toString("latin1");
  const parsed = /^[0-9]{1,32}$/.test(text) ? Number(text) : Number.NaN;
  if (!(parsed <= most)) throw malformed(`a pax record says ${key}=${JSON.stringify(text.slice(0, 40))}`);
  return parsed;
}

/** Seconds and nanoseconds, rounded down; undefined when the records have no time. */
export function paxTime(records: PaxRecords): { s: number; ns: number } | undefined {
  const value = records.get("mtime");
  if (value === undefined || value.length === 0) return undefined;
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]{0,40}))?$/.exec(value.toString("latin1"));
  if (match === null) throw malformed("a pax record's mtime is no time");
  const [, minus, seconds = "0", fraction = ""] = match;
  const ns = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (minus !== "-") return { s: Number(seconds), ns };
  return ns === 0 ? { s: 0 - Number(seconds), ns } : { s: -1 - Number(seconds), ns: 1e9 - ns };
}

export function paxAttributes(records: PaxRecords): TarAttribute[] {
  const found: TarAttribute[] = [];
  for (const [key, value] of records)
    if (key.startsWith(attributePrefix)) found.push({ name: key.slice(attributePrefix.length), value });
  return found;
}
