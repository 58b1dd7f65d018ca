/** Fills a fresh file system by paths: bytes, from its root. Directories on the way to something are made when missing. */
import { BangerError } from "../base/base.ts";
import type { FileSink } from "../tar/tar.ts";
import type { Directory } from "./directory.ts";
import type { Meta } from "./inode.ts";
import type { NodeWriter, Place } from "./nodes.ts";
import { namesOf, shown, shownPath } from "./paths.ts";
import type { SpecialNode } from "./special.ts";

export class Ext4Filler {
  /** The directory that was used last, by its path: neighbours in an archive are mostly neighbours in the tree. */
  #lastPath = "";
  #last: Directory;

  constructor(
    /** The same file system, by directories and names. */
    readonly nodes: NodeWriter,
  ) {
    this.#last = nodes.root;
  }

  /** Of directories that nobody describes. Seconds since 1970. */
  get nowS(): number {
    return this.nodes.nowS;
  }

  /** What file content may still take. Directories, written in the end, take some of it. */
  get freeBytes(): number {
    return this.nodes.freeBytes;
  }

  get freeInodes(): number {
    return this.nodes.freeInodes;
  }

  /** Whether there is something of that path. False also for what would be below a file. */
  has(path: Uint8Array): boolean {
    return this.#find(namesOf(path)) !== undefined;
  }

  /**
   * Makes a directory, or describes one that is only there because something below it was added (the root is one, by the
   * empty path). Throws already_exists for anything else that is there.
   */
  addDirectory(path: Uint8Array, meta: Meta): void {
    this.nodes.begin(meta);
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) {
      if (this.nodes.root.meta !== undefined) throw taken(path);
      this.nodes.describe(this.nodes.root, meta);
      return;
    }
    const parent = this.#parent(names);
    const there = this.nodes.get(parent, name);
    if (there === undefined) this.nodes.addDirectory({ parent, name }, meta);
    else if (typeof there !== "number" && there.meta === undefined) this.nodes.describe(there, meta);
    else throw taken(path);
  }

  /** A file of exactly `sizeBytes`, whose content goes into the sink. One at a time. */
  addFile(path: Uint8Array, meta: Meta, sizeBytes: number): FileSink {
    return this.nodes.addFile(this.#place(path, meta), meta, sizeBytes);
  }

  /** A symbolic link. The target is bytes, 1 to 4095 of them, and goes unread. */
  addSymlink(path: Uint8Array, target: Uint8Array, meta: Meta): void {
    this.nodes.addSymlink(this.#place(path, meta), target, meta);
  }

  /** A device, FIFO or socket. */
  addNode(path: Uint8Array, node: SpecialNode, meta: Meta): void {
    this.nodes.addNode(this.#place(path, meta), node, meta);
  }

  /** Another name of a file that was added; of anything but a directory. Throws not_found. */
  addHardLink(path: Uint8Array, target: Uint8Array): void {
    this.nodes.begin();
    const names = namesOf(target);
    const name = names.pop() ?? "";
    const parent = this.#find(names);
    if (typeof parent !== "object")
      throw new BangerError(
        "not_found",
        `${shownPath(path)} is a link to ${shownPath(target)}, which is no file`,
      );
    this.nodes.addHardLink(this.#place(path), { parent, name, shown: shownLater(target) });
  }

  /** Writes what is left. The file system is whole afterwards, and this object is done with. Does not sync. */
  finish(): void {
    this.nodes.finish();
  }

  #find(names: readonly string[]): Directory | number | undefined {
    let at: Directory | number | undefined = this.nodes.root;
    for (const name of names) {
      if (at === undefined || typeof at === "number") return undefined;
      at = this.nodes.get(at, name);
    }
    return at;
  }

  /** Where a new name goes; it must not be there yet. */
  #place(path: Uint8Array, meta?: Meta): Place {
    this.nodes.begin(meta);
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw taken(path);
    return { parent: this.#parent(names), name, shown: shownLater(path) };
  }

  /** The directory of so many names, made with those above it when missing. */
  #parent(names: readonly string[]): Directory {
    const path = names.join("/");
    if (path === this.#lastPath) return this.#last;
    let at = this.nodes.root;
    for (const name of names) {
      const below: Directory | number =
        this.nodes.get(at, name) ?? this.nodes.addDirectory({ parent: at, name }, undefined);
      if (typeof below === "number")
        throw new BangerError("bad_request", `${shown(path)} leads through something that is no directory`);
      at = below;
    }
    this.#lastPath = path;
    this.#last = at;
    return at;
  }
}

/** A copy: the path is the caller's, and a file may be open for long. */
function shownLater(path: Uint8Array): () => string {
  const copy = Buffer.from(path);
  return () => shownPath(copy);
}

function taken(path: Uint8Array): BangerError {
  return new BangerError("already_exists", `${shownPath(path)} is in the disk already`);
}
