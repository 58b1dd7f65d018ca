/** A directory as it is, as a tar: for builds, which want all of it, tracked or not. */
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { type TarMember, tarEnd, tarHeader, tarPadding } from "./tar-header.ts";

const chunkBytes = 1024 * 1024;
const slash = Buffer.from("/");

/** Files, directories and symlinks, in the order of their names; others (sockets, pipes, devices) are left out. */
export async function* tarOfDirectory(directory: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  yield* membersOf(Buffer.from(directory), Buffer.alloc(0), signal);
  yield tarEnd;
}

async function* membersOf(place: Buffer, below: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
  const names = (await readdir(place, { encoding: "buffer" })).sort(Buffer.compare);
  for (const name of names) {
    signal.throwIfAborted();
    const from = Buffer.concat([place, slash, name]);
    const path = Buffer.concat([below, name]);
    const found = await lstat(from);
    if (found.isDirectory()) {
      yield tarHeader(memberOf(path, "directory", found));
      yield* membersOf(from, Buffer.concat([path, slash]), signal);
    } else if (found.isSymbolicLink()) {
      const linkTarget = await readlink(from, { encoding: "buffer" });
      yield tarHeader({ ...memberOf(path, "symlink", found), linkTarget });
    } else if (found.isFile()) yield* fileOf(from, path, found);
  }
}

function memberOf(path: Buffer, kind: TarMember["kind"], { mode, mtimeMs }: Stats): TarMember {
  return { path, kind, mode: mode & 0o777, size: 0, mtimeS: Math.max(0, Math.floor(mtimeMs / 1000)) };
}

async function* fileOf(from: Buffer, path: Buffer, found: Stats): AsyncGenerator<Buffer> {
  // Somebody may have put a link, or a pipe, in its place by now.
  const file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = found;
    yield tarHeader({ ...memberOf(path, "file", found), size });
    for (let at = 0; at < size; ) {
      const wanted = Math.min(chunkBytes, size - at);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
      if (bytesRead === 0)
        throw new BangerError("precondition", `${path.toString()} was cut short while it was read`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    if (tarPadding(size) > 0) yield Buffer.alloc(tarPadding(size));
  } finally {
    await file.close();
  }
}
