/**
 * Reads the small files of a git directory. They are hostile: only regular files of bounded size are read, through no
 * symbolic link at the end, and a pipe cannot make us wait.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
} from "node:fs";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";

/** The bytes of a metadata file, or undefined when there is none. Throws bad_repository when it is no plain file. */
export function readMetadata(path: string | Buffer, maxBytes: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP") throw bad(path, "is a symbolic link");
    if (code === "EACCES" || code === "EPERM") throw unreadable(path, error);
    if (code === "ENXIO") throw bad(path, "is not a regular file");
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw bad(path, "is not a regular file");
    if (stat.size > maxBytes) throw bad(path, `is larger than ${maxBytes} bytes`);
    const bytes = Buffer.allocUnsafe(stat.size);
    let have = 0;
    while (have < bytes.length) {
      const got = readSync(fd, bytes, have, bytes.length - have, null);
      if (got === 0) break;
      have += got;
    }
    return bytes.subarray(0, have);
  } finally {
    closeSync(fd);
  }
}

/** Entries of a directory, or an empty list when there is none. Follows no link at the end. Names may be lossy. */
export function readMetadataDir(path: string): Dirent[] {
  return inDirectory(path, () => readdirSync(path, { withFileTypes: true })) ?? [];
}

/** Like readMetadataDir, with names as bytes. Bun has no directory entries with both bytes and kind: one lstat each. */
export function readMetadataNames(path: Buffer): { name: Buffer; path: Buffer; isDirectory: boolean }[] {
  const names = inDirectory(path, () => readdirSync(path, { encoding: "buffer" })) ?? [];
  return names.map((name) => {
    const full = Buffer.concat([path, Buffer.from("/"), name]);
    return {
      name,
      path: full,
      isDirectory: lstatSync(full, { throwIfNoEntry: false })?.isDirectory() === true,
    };
  });
}

function inDirectory<T>(path: string | Buffer, read: () => T): T | undefined {
  try {
    if (!lstatSync(path).isDirectory()) throw bad(path, "is not a directory");
    return read();
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "EACCES" || code === "EPERM") throw unreadable(path, error);
    throw error;
  }
}

export function unreadable(path: string | Buffer, cause: unknown): BangerError {
  const name = printable(bytesOf(path));
  return new BangerError("bad_repository", `cannot read ${name}: permission denied`, {
    hint: "make it readable for you, or remove it from the repository",
    cause,
  });
}

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function bytesOf(path: string | Buffer): Buffer {
  return typeof path === "string" ? Buffer.from(path) : path;
}

function bad(path: string | Buffer, what: string): BangerError {
  return new BangerError("bad_repository", `${printable(bytesOf(path))} ${what}`, {
    hint: "banger copies only repositories that git itself laid out",
  });
}
