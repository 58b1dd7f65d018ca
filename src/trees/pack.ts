/** Files and trees of the host as they are, as a tar, in the order of their names. */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { type TarMember, tarEnd, tarHeader, tarPadding } from "../tar/tar.ts";
import { shown } from "./shown.ts";

export interface HostTree {
  /** A file, a directory or a link; or a file that is open, which stays so. */
  place: string | FileHandle;
  /** What it is called in the archive; "": a directory's content, without itself. */
  name: string;
  /** Of a file that is a tree by itself; default: its own. */
  mode?: number | undefined;
}

export interface PackOptions {
  signal: AbortSignal;
  /** Default: links are packed as links. */
  links?: "keep" | "leave out";
  /** Told of what is left out: sockets, pipes, devices, and links where they are not kept. */
  leftOut?: (place: string, what: string) => void;
  /** Told of the bytes of files that have been read. */
  onBytes?: (count: number) => void;
}

const chunkBytes = 1024 * 1024;
const slash = Buffer.from("/");
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** Owners are not told: in the guest all of it is root's. Times are whole seconds. */
export async function* tarOfTrees(
  trees: readonly HostTree[],
  options: PackOptions,
): AsyncGenerator<Buffer, void, undefined> {
  for (const { place, name, mode } of trees) {
    if (typeof place !== "string") {
      yield* openFile(place, Buffer.from(name), mode, options);
      continue;
    }
    const from = Buffer.from(place);
    if (name === "") yield* membersOf(from, Buffer.alloc(0), options);
    else yield* memberOf(from, Buffer.from(name), options, mode);
  }
  yield tarEnd;
}

async function* membersOf(place: Buffer, below: Buffer, options: PackOptions): AsyncGenerator<Buffer> {
  const names = (await readdir(place, { encoding: "buffer" })).sort(Buffer.compare);
  for (const name of names)
    yield* memberOf(Buffer.concat([place, slash, name]), Buffer.concat([below, name]), options);
}

async function* memberOf(
  from: Buffer,
  path: Buffer,
  options: PackOptions,
  mode?: number,
): AsyncGenerator<Buffer> {
  options.signal.throwIfAborted();
  const found = await lstat(from);
  if (found.isDirectory()) {
    yield tarHeader(headerOf(path, "directory", found));
    yield* membersOf(from, Buffer.concat([path, slash]), options);
  } else if (found.isSymbolicLink() && options.links !== "leave out") {
    const linkTarget = await readlink(from, { encoding: "buffer" });
    yield tarHeader({ ...headerOf(path, "symlink", found), linkTarget });
  } else if (found.isFile()) yield* fileOf(from, path, mode, options);
  else options.leftOut?.(shown(from), kindOf(found));
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return "a symbolic link";
  if (found.isSocket()) return "a socket";
  return found.isFIFO() ? "a pipe" : "a device";
}

function headerOf(path: Buffer, kind: TarMember["kind"], { mode, mtimeMs }: Stats): TarMember {
  return { path, kind, mode: mode & 0o777, size: 0, mtimeS: Math.max(0, Math.floor(mtimeMs / 1000)) };
}

async function* fileOf(
  from: Buffer,
  path: Buffer,
  mode: number | undefined,
  options: PackOptions,
): AsyncGenerator<Buffer> {
  // It may have become a link or a pipe since it was looked at.
  const file = await open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    yield* openFile(file, path, mode, options);
  } finally {
    await file.close();
  }
}

async function* openFile(
  file: FileHandle,
  path: Buffer,
  mode: number | undefined,
  { onBytes, signal }: PackOptions,
): AsyncGenerator<Buffer> {
  const found = await file.stat();
  if (!found.isFile()) throw changed(path);
  const { size } = found;
  const header = headerOf(path, "file", found);
  const head = tarHeader({ ...header, mode: mode ?? header.mode, size });
  const padding = tarPadding(size);
  // Most files are small: header, content and padding are one piece then.
  const small = size <= chunkBytes;
  const piece = small ? Buffer.alloc(head.length + size + padding) : head;
  if (small) head.copy(piece);
  else yield head;
  for (let at = 0; at < size; ) {
    signal.throwIfAborted();
    const wanted = Math.min(chunkBytes, size - at);
    const into = small ? piece.subarray(head.length + at) : Buffer.allocUnsafe(wanted);
    const { bytesRead } = await file.read(into, 0, wanted, at);
    if (bytesRead === 0) throw changed(path);
    at += bytesRead;
    onBytes?.(bytesRead);
    if (!small) yield into.subarray(0, bytesRead);
  }
  if (small) yield piece;
  else if (padding > 0) yield Buffer.alloc(padding);
}

function changed(path: Buffer): BangerError {
  return new BangerError("precondition", `${shown(path)} changed while it was read`);
}
