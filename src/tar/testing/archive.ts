/** Archives for tests: made field by field, so that they can be wrong, and read into a list. */

import type { TarEntry } from "../entry.ts";
import { TarReader } from "../reader.ts";

export interface Fields {
  name?: string;
  type?: string;
  size?: number | Buffer;
  mtime?: string | Buffer;
  link?: string;
  prefix?: string;
  magic?: string;
  /** Written over the finished block, before the checksum. */
  patch?: [at: number, bytes: Buffer][];
  checksum?: string;
  mode?: string;
}

const bytes = (text: string) => Buffer.from(text, "latin1");

export function block(fields: Fields): Buffer {
  const out = Buffer.alloc(512);
  const put = (at: number, value: string | Buffer) =>
    (typeof value === "string" ? bytes(value) : value).copy(out, at);
  put(0, fields.name ?? "name");
  put(100, fields.mode ?? "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  const size = fields.size ?? 0;
  put(124, typeof size === "number" ? `${size.toString(8).padStart(11, "0")}\0` : size);
  put(136, fields.mtime ?? "00000000000\0");
  put(148, "        ");
  put(156, fields.type ?? "0");
  put(157, fields.link ?? "");
  put(257, fields.magic ?? "ustar\u000000");
  put(345, fields.prefix ?? "");
  for (const [at, value] of fields.patch ?? []) put(at, value);
  const sum = out.reduce((total, byte) => total + byte, 0);
  put(148, fields.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `);
  return out;
}

export function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

export function member(fields: Fields, content: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([block({ size: content.length, ...fields }), padded(content)]);
}

/** A pax header for the next entry, or, with type "g", for all. */
export function pax(records: Record<string, string | Buffer>, type = "x"): Buffer {
  const body = Object.entries(records).map(([key, value]) => {
    const rest = key.length + value.length + 3;
    let length = rest + String(rest).length;
    if (length < rest + String(length).length) length += 1;
    return Buffer.concat([
      bytes(`${length} ${key}=`),
      typeof value === "string" ? bytes(value) : value,
      bytes("\n"),
    ]);
  });
  return member({ type, name: "PaxHeaders/x" }, Buffer.concat(body));
}

export const end: Buffer = Buffer.alloc(1024);

export interface ReadEntry extends TarEntry {
  content: Buffer;
  holes: number;
}

/** Reads a whole archive, in pieces of `step` bytes. Holes are filled with zeros. */
export function readArchive(archive: Buffer, step: number = archive.length): ReadEntry[] {
  const found: ReadEntry[] = [];
  let parts: Buffer[] = [];
  let holes = 0;
  const reader = new TarReader({
    entry: (entry) => found.push({ ...entry, content: Buffer.alloc(0), holes: 0 }),
    data: (chunk) => parts.push(Buffer.from(chunk)),
    hole(length) {
      parts.push(Buffer.alloc(length));
      holes += 1;
    },
    end() {
      const last = found.at(-1);
      if (last !== undefined) Object.assign(last, { content: Buffer.concat(parts), holes });
      parts = [];
      holes = 0;
    },
  });
  for (let at = 0; at < archive.length; at += Math.max(1, step))
    reader.push(archive.subarray(at, at + Math.max(1, step)));
  reader.finish();
  return found;
}
