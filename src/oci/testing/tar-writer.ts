/** Layers as tests describe them, hostile ones too. */
import { end, member, pax } from "../../tar/testing/archive.ts";

export interface TarSpec {
  path: string;
  /** ustar's type flag. Default: a regular file. */
  type?: "0" | "1" | "2" | "3" | "4" | "5" | "6";
  content?: string | Uint8Array;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  /** Records of a pax header before the entry; values are bytes as latin1. */
  pax?: Readonly<Record<string, string>>;
}

/** A whole archive. Strings are latin1: one character per byte. */
export function tar(entries: readonly TarSpec[]): Buffer {
  return Buffer.concat([...entries.map(entryBytes), end]);
}

export function entryBytes(spec: TarSpec): Buffer {
  const { path, type = "0", content = "", link = "", mtime = 1_000_000_000 } = spec;
  const records = {
    ...(path.length > 100 ? { path } : {}),
    ...(link.length > 100 ? { linkpath: link } : {}),
    ...spec.pax,
  };
  const fields = {
    name: path.slice(0, 100),
    type,
    link: link.slice(0, 100),
    mode: octal(spec.mode ?? (type === "5" ? 0o755 : 0o644), 7),
    mtime: octal(mtime, 11),
    patch: [
      [108, Buffer.from(octal(spec.uid ?? 0, 7))],
      [116, Buffer.from(octal(spec.gid ?? 0, 7))],
      // A device's numbers: null's.
      ...(type === "3" || type === "4" ? [[329, Buffer.from(`${octal(1, 7)}${octal(3, 7)}`)]] : []),
    ] as [number, Buffer][],
  };
  const before = Object.keys(records).length === 0 ? [] : [pax(records)];
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : Buffer.from(content);
  return Buffer.concat([...before, member(fields, bytes)]);
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")}\0`;
}
