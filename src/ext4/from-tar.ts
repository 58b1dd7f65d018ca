/**
 * An archive put into a disk the way the guest's agent puts a workspace into its file system (native/agent/unpack.c): all
 * is root's, files and links have the archive's times, directories that of the filling; nothing leads out of `under`.
 */
import { BangerError } from "../base/base.ts";
import type { FileSink } from "../tar/tar.ts";
import { type TarEntry, TarReader } from "../tar/tar.ts";
import type { Ext4Filler } from "./filler.ts";
import { shownPath } from "./paths.ts";

export interface TarFilling {
  /** The archive's next bytes. Throws corrupt for what is no archive, bad_request for what a workspace never has, no_space. */
  push(chunk: Uint8Array): void;
  /** Throws corrupt when the archive is not complete. */
  finish(): { files: number; bytes: number };
}

/** `under`: a directory in the disk, made when missing; empty for its root. */
export function fillFromTar(filler: Ext4Filler, under: Uint8Array): TarFilling {
  let files = 0;
  let bytes = 0;
  let sink: FileSink | undefined;
  if (under.length > 0 && !filler.has(under)) filler.addDirectory(under, ownedByRoot(0o755, filler.nowS, 0));
  const reader = new TarReader({
    entry(entry) {
      if (entry.type !== "directory") files += 1;
      bytes += entry.sizeBytes;
      sink = add(filler, entry, under);
    },
    data: (chunk) => sink?.write(chunk),
    hole: (length) => sink?.hole(length),
    end() {
      sink?.close();
      sink = undefined;
    },
  });
  return {
    push: (chunk) => reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)),
    finish() {
      reader.finish();
      return { files, bytes };
    },
  };
}

function add(filler: Ext4Filler, entry: TarEntry, under: Uint8Array): FileSink | undefined {
  const names = clean(entry.path);
  // The root itself: it is there.
  if (names.length === 0 && entry.type === "directory") return undefined;
  const path = below(under, names);
  const meta = ownedByRoot(entry.mode, entry.mtimeS, entry.mtimeNs);
  switch (entry.type) {
    case "directory":
      filler.addDirectory(path, { ...meta, mtimeS: filler.nowS, mtimeNs: 0 });
      return undefined;
    case "file":
      return filler.addFile(path, meta, entry.sizeBytes);
    case "symlink":
      filler.addSymlink(path, entry.linkTarget, { ...meta, mode: 0o777 });
      return undefined;
    case "hardlink":
      filler.addHardLink(path, below(under, clean(entry.linkTarget)));
      return undefined;
    default:
      throw new BangerError(
        "bad_request",
        `${shownPath(entry.path)} is neither file, directory nor link, but a ${entry.type}`,
      );
  }
}

function ownedByRoot(mode: number, mtimeS: number, mtimeNs: number) {
  return { mode, uid: 0, gid: 0, mtimeS, mtimeNs };
}

/** Without "." and empty names. Names that lead upwards the filler refuses. */
function clean(path: Buffer): string[] {
  return path
    .toString("latin1")
    .split("/")
    .filter((name) => name !== "" && name !== ".");
}

function below(under: Uint8Array, names: readonly string[]): Buffer {
  const path = Buffer.from(names.join("/"), "latin1");
  return under.length === 0 ? path : Buffer.concat([under, Buffer.from(path.length === 0 ? "" : "/"), path]);
}
