/** What an archive tells of an entry. */
import { BangerError } from "../base/base.ts";

export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarAttribute {
  /** In full, "security.capability"; one character per byte. */
  name: string;
  value: Buffer;
}

export interface TarEntry {
  type: TarEntryType;
  /** 1 to 4096 bytes, without zeros; otherwise as the archive has it. */
  path: Buffer;
  /** Permissions with set-id and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content, holes included; 0 for all but files. */
  sizeBytes: number;
  mtimeS: number;
  mtimeNs: number;
  /** Of symbolic and hard links, 1 to 4096 bytes; else empty. */
  linkTarget: Buffer;
  /** Of devices, else 0. */
  deviceMajor: number;
  deviceMinor: number;
  attributes: readonly TarAttribute[];
}

/** Told of each entry, then of its content piece by piece, then of its end. What it throws ends the reading. */
export interface TarListener {
  entry(entry: TarEntry): void;
  /** A slice of what was pushed: valid until the call returns. */
  data(chunk: Buffer): void;
  /** So many bytes of zeros, of a sparse file. */
  hole(bytes: number): void;
  end(): void;
}

export const maxNameBytes = 4096;
/** Of a pax header, and of all global ones together. */
export const maxPaxBytes: number = 1024 * 1024;
/** No file system here holds more; larger numbers are not sizes. */
export const maxSizeBytes: number = 2 ** 46;

export function malformed(why: string): BangerError {
  return new BangerError("corrupt", `the archive cannot be read: ${why}`);
}
