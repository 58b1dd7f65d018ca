/**
 * The few things that banger writes into a repository's git directory: a pack, a branch, a patch. Directories are entered one by
 * one through no symbolic link, as when reading (tree-reader.ts), so a hostile repository leads no write out of itself.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";
import { errnoOf } from "./read-metadata.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, O_APPEND } = constants;
const pieceBytes = 1024 * 1024;
/** From <bits/fcntl-linux.h>. */
const O_PATH = 0o10000000;

/** Gives `use` the path of a directory below `base`, pinned by a descriptor; what is missing on the way is made. */
export function insideGitDir<T>(base: string, names: readonly string[], use: (dir: string) => T): T {
  let fd = openSync(base, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    for (const [n, name] of names.entries()) {
      const at = `/proc/self/fd/${fd}/${name}`;
      try {
        mkdirSync(at);
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw unwritable([base, ...names.slice(0, n + 1)].join("/"), error);
      }
      const next = openDirectory(at, [base, ...names.slice(0, n + 1)].join("/"));
      closeSync(fd);
      fd = next;
    }
    return use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

function openDirectory(at: string, shown: string): number {
  try {
    return openSync(at, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    throw unwritable(shown, error);
  }
}

/** A new file with this content; false when there is one of that name. */
export function createFile(path: string, chunks: Iterable<Uint8Array>, mode = 0o666): boolean {
  let fd: number;
  try {
    fd = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    for (const chunk of chunks) writeAll(fd, chunk);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
  return true;
}

/** Whether there is a file of that name, and no link, with the very content of one of our own. */
export function hasContent(path: string, own: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    // Whatever it is, it is not that.
    return false;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size !== statSync(own).size) return false;
    const there = Buffer.allocUnsafe(pieceBytes);
    for (const piece of piecesOf(own)) {
      for (let at = 0; at < piece.length; ) {
        const got = readSync(fd, there, at, piece.length - at, null);
        if (got === 0) return false;
        at += got;
      }
      if (!piece.equals(there.subarray(0, piece.length))) return false;
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

/** A file in place of what was there, whole or not at all. `aside` is its name until then; two cannot have it at once. */
export function replaceFile(dir: string, name: string, aside: string, content: Uint8Array): boolean {
  if (!createFile(`${dir}/${aside}`, [content])) return false;
  renameSync(`${dir}/${aside}`, `${dir}/${name}`);
  return true;
}

export function appendFile(path: string, content: Uint8Array): void {
  const fd = openSync(path, O_CREAT | O_APPEND | O_WRONLY | O_NOFOLLOW, 0o666);
  try {
    writeAll(fd, content);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, content: Uint8Array): void {
  for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
}

export function unwritable(shown: string, cause: unknown): BangerError {
  return new BangerError("bad_repository", `cannot write to ${printable(Buffer.from(shown))}`, {
    hint: "it must be a directory of your own, and no link",
    cause,
  });
}

/** A file of our own, piece by piece; a piece is good until the next one. */
export function* piecesOf(path: string): Generator<Buffer> {
  const fd = openSync(path, "r");
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) yield piece.subarray(0, got);
  } finally {
    closeSync(fd);
  }
}
