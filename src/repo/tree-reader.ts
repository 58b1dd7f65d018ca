/**
 * Reads files of a work tree that somebody may be changing at the same time.
 *
 * A path is walked one component at a time from a descriptor of the root, each directory opened with O_NOFOLLOW through
 * /proc/self/fd/<parent>/<name> (what openat(2) would do, which Bun does not have). So a directory that is swapped for
 * a symbolic link between two files, or between check and use, leads nowhere: no byte from outside can be read.
 * Directories stay open while neighbours are read, so sorted paths cost one open a directory.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from "node:fs";
import { errnoOf, unreadable } from "./read-metadata.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** From <bits/fcntl-linux.h>: the directory need not be readable, only searchable. */
const O_PATH = 0o10000000;

export type OpenedFile =
  | { kind: "file"; fd: number; stat: Stats }
  | { kind: "symlink"; target: Buffer }
  /** Nothing there, or something that cannot be copied (pipe, socket, device, directory). */
  | { kind: "gone" };

interface OpenDirectory {
  name: Buffer;
  fd: number;
  prefix: Buffer;
}

/** Has a lifecycle: close() lets the directories go. */
export class TreeReader {
  readonly #root: OpenDirectory;
  readonly #open: OpenDirectory[] = [];
  /** Where paths for system calls are put together: longer than any name that a directory can hold. */
  readonly #path: Buffer = Buffer.alloc(64 + 65_536);

  constructor(root: string) {
    this.#root = openDirectory(Buffer.alloc(0), Buffer.from(root));
  }

  /** Opens a file for reading (the caller closes `fd`) or reads a link. Throws bad_repository when it is unreadable. */
  open(path: Buffer, expectLink: boolean): OpenedFile {
    const parent = this.#enter(path);
    if (parent === undefined) return { kind: "gone" };
    const slash = path.lastIndexOf(0x2f); // -1: the whole path is the name
    const length = parent.prefix.copy(this.#path) + path.copy(this.#path, parent.prefix.length, slash + 1);
    const at = this.#path.subarray(0, length);
    if (expectLink) {
      const target = readLink(at, path);
      if (target !== undefined) return target;
    }
    let fd: number;
    try {
      fd = openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ELOOP") return readLink(at, path) ?? { kind: "gone" };
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ENXIO") return { kind: "gone" };
      if (code === "EACCES" || code === "EPERM") throw unreadable(path, error);
      throw error;
    }
    const stat = fstatSync(fd);
    if (stat.isFile()) return { kind: "file", fd, stat };
    closeSync(fd);
    return { kind: "gone" };
  }

  close(): void {
    this.#leave(0);
    closeSync(this.#root.fd);
  }

  /** The opened directory of a path, or undefined when a component is missing or no directory. */
  #enter(path: Buffer): OpenDirectory | undefined {
    let parent = this.#root;
    let depth = 0;
    let start = 0;
    for (let slash = path.indexOf(0x2f); slash >= 0; slash = path.indexOf(0x2f, start)) {
      const name = path.subarray(start, slash);
      let next = this.#open[depth];
      if (next === undefined || !next.name.equals(name)) {
        this.#leave(depth);
        try {
          next = openDirectory(name, Buffer.concat([parent.prefix, name]));
        } catch (error) {
          const code = errnoOf(error);
          if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
          if (code === "EACCES" || code === "EPERM") throw unreadable(path, error);
          throw error;
        }
        this.#open.push(next);
      }
      parent = next;
      depth += 1;
      start = slash + 1;
    }
    this.#leave(depth);
    return parent;
  }

  #leave(depth: number): void {
    for (const directory of this.#open.splice(depth)) closeSync(directory.fd);
  }
}

function openDirectory(name: Buffer, path: Buffer): OpenDirectory {
  const fd = openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  return { name: Buffer.from(name), fd, prefix: Buffer.from(`/proc/self/fd/${fd}/`) };
}

function readLink(at: Buffer, path: Buffer): OpenedFile | undefined {
  try {
    return { kind: "symlink", target: readlinkSync(at, { encoding: "buffer" }) };
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EINVAL") return undefined; // no link
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "gone" };
    if (code === "EACCES") throw unreadable(path, error);
    throw error;
  }
}
