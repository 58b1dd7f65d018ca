/**
 * The root file system that layers make together, in memory: names and metadata, and of each file which entry of which
 * layer has its content. Nothing of an image is a path of this host: names are looked up here, and nowhere else.
 *
 * Names are bytes, as strings of the characters U+0000 to U+00FF ("latin1" to Buffer): nothing is normalised.
 */
import { BangerError } from "../../base/base.ts";

export interface Metadata {
  /** Permissions with set-id and sticky bits, 07777. */
  mode: number;
  uid: number;
  gid: number;
  /** Since 1970. */
  mtimeS: number;
  mtimeNs: number;
  /** Names in full, as bytes like all names. */
  xattrs: readonly { name: string; value: Uint8Array }[];
}

export interface Directory {
  kind: "directory";
  metadata: Metadata;
  /** Itself for the root. */
  parent: Directory;
  name: string;
  /** Directories between it and the root, itself counted. */
  depth: number;
  children: Map<string, Node>;
  /** Names that the layer under way has put here: its whiteouts do not mean them. */
  fresh: Set<string> | undefined;
  /** The layer that has last hidden all that lower ones had here: to do so again finds nothing. */
  hiddenBy: number | undefined;
}

/** What an entry of a layer has made. Its metadata are in the layer's listing, and are read when it is written. */
interface FromEntry {
  layer: number;
  /** Which entry of the layer. */
  entry: number;
  /** The name under which it is made; the plan sets it. Other names are hard links to it. */
  parent: Directory | undefined;
  name: string;
  hasAttributes: boolean;
}

export interface File extends FromEntry {
  kind: "file";
  sizeBytes: number;
  /** Of the layer's contents; undefined for an empty file. */
  content: number | undefined;
}

export interface Symlink extends FromEntry {
  kind: "symlink";
  target: string;
}

/** A device or a FIFO: it hides what was there, and is then left out. */
export interface Special {
  kind: "special";
}

export const special: Special = { kind: "special" };

export type Node = Directory | File | Symlink | Special;

/** As the kernel has it for paths (ELOOP), and libraries that resolve within a root. */
const maxSymlinks = 255;
/** Of one path with all that its symlinks add. */
const maxSteps = 8192;
/** Names that symlinks add to paths, in all paths together: real images have some per file at most. */
const maxDetours = 8_000_000;
/** Names looked up for all paths together: 40 for each of as many entries as an image may have. */
const maxLookups = 20_000_000;
/** Of all symlinks, which are kept while layers are merged: real ones have some tens of bytes each. */
const maxTargetBytes = 64 * 1024 ** 2;
/** Of directories' extended attributes, which are kept while layers are merged: real ones have some hundred bytes. */
const maxAttributeBytes = 64 * 1024 ** 2;
const maxNameBytes = 255;
/** What a path of PATH_MAX bytes can reach in most cases, and what recursion bears. */
const maxDepth = 1024;

export class Tree {
  readonly root: Directory;
  /** Nodes that were ever made; the memory they take is what hostile layers would be after. */
  made = 0;
  #detours = 0;
  #lookups = 0;
  #targetBytes = 0;
  #attributeBytes = 0;
  #layer = 0;
  /** Directories in which the layer under way has put something. */
  #touched: Directory[] = [];

  constructor(readonly maxNodes: number) {
    this.root = newDirectory("", undefined, implied(0));
  }

  get layer(): number {
    return this.#layer;
  }

  /** What was put there until now is lower from here on. */
  nextLayer(): void {
    this.#layer += 1;
    for (const directory of this.#touched) directory.fresh = undefined;
    this.#touched = [];
  }

  /**
   * The directory that a path means, with symlinks in it followed as inside of a chroot: absolute ones from the root, and
   * nothing is above the root. `create`: what is not there is made, with this modification time, as all unpackers do for
   * layers that leave parents out; else undefined stands for it. Throws corrupt for a way that cannot be made.
   */
  enter(path: readonly string[], create: { mtimeS: number } | undefined): Directory | undefined {
    const pending = [...path].reverse();
    let at = this.root;
    let symlinks = 0;
    for (let steps = 0; pending.length > 0; steps += 1) {
      const name = pending.pop() ?? "";
      this.#lookups += 1;
      if (steps > maxSteps) throw refuse(path, "leads through too many directories");
      if (this.#lookups > maxLookups)
        throw refuse(path, "is a longer way, with those before it, than an image has");
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = at.parent;
        continue;
      }
      const child = at.children.get(name);
      if (child === undefined) {
        if (create === undefined) return undefined;
        at = this.#addDirectory(at, name, implied(create.mtimeS));
      } else if (child.kind === "directory") at = child;
      else if (child.kind === "symlink") {
        symlinks += 1;
        if (symlinks > maxSymlinks) throw refuse(path, "leads through too many symlinks");
        if (child.target.startsWith("/")) at = this.root;
        const detour = child.target.split("/").filter((part) => part !== "" && part !== ".");
        // Even the shortest costs as much as some names.
        this.#detours += detour.length + child.target.length / 64 + 1;
        if (this.#detours > maxDetours)
          throw refuse(path, "is one way through symlinks too many for an image");
        pending.push(...detour.reverse());
      } else if (create === undefined) return undefined;
      else throw refuse(path, `leads through ${show(name)}, which is no directory`);
    }
    return at;
  }

  /** A directory of a layer's own: one that is there keeps what is in it, anything else gives way. */
  putDirectory(parent: Directory, name: string, metadata: Metadata): void {
    for (const { value } of metadata.xattrs) this.#attributeBytes += value.length;
    if (this.#attributeBytes > maxAttributeBytes)
      throw refuse([name], "has more extended attributes, with those before it, than an image may have");
    const known = parent.children.get(name);
    if (known?.kind !== "directory") this.#addDirectory(parent, name, metadata);
    else {
      known.metadata = metadata;
      this.#freshen(parent, name);
    }
  }

  /** What is new, or another name for what is there. */
  put(parent: Directory, name: string, node: File | Symlink | Special): void {
    this.#count();
    if (node.kind === "symlink") this.#targetBytes += node.target.length;
    if (this.#targetBytes > maxTargetBytes)
      throw refuse([name], "brings more bytes of targets of symlinks than an image may have");
    this.#set(parent, name, node);
  }

  /** Takes away what lower layers had under a name; what this layer has put there itself stays. */
  whiteOut(parent: Directory, name: string): void {
    if (this.#layer === 0) return;
    const child = parent.children.get(name);
    if (child === undefined) return;
    const kept = parent.fresh?.has(name) === true;
    if (child.kind === "directory") {
      this.hideLower(child);
      if (kept) return;
      // It is only the way to what this layer has put below it.
      if (child.children.size > 0) child.metadata = implied(child.metadata.mtimeS);
      else parent.children.delete(name);
    } else if (!kept) parent.children.delete(name);
  }

  /** The same for all that is in a directory. */
  hideLower(directory: Directory): void {
    if (this.#layer === 0 || directory.hiddenBy === this.#layer) return;
    directory.hiddenBy = this.#layer;
    for (const name of [...directory.children.keys()]) this.whiteOut(directory, name);
  }

  #addDirectory(parent: Directory, name: string, metadata: Metadata): Directory {
    this.#count();
    if (parent.depth === maxDepth) throw refuse([name], `is more than ${maxDepth} directories deep`);
    const directory = newDirectory(name, parent, metadata);
    this.#set(parent, name, directory);
    return directory;
  }

  #set(parent: Directory, name: string, node: Node): void {
    if (name.length > maxNameBytes) throw refuse([name], `is longer than ${maxNameBytes} bytes`);
    // Without what it was cut out of: a part of a string keeps the whole.
    parent.children.set(Buffer.from(name, "latin1").toString("latin1"), node);
    this.#freshen(parent, name);
  }

  /** Below the lowest layer there is nothing to take away. */
  #freshen(parent: Directory, name: string): void {
    if (this.#layer === 0) return;
    if (parent.fresh === undefined) {
      parent.fresh = new Set();
      this.#touched.push(parent);
    }
    parent.fresh.add(name);
  }

  #count(): void {
    this.made += 1;
    if (this.made > this.maxNodes) {
      throw new BangerError("precondition", `the image has more than ${this.maxNodes} files and directories`);
    }
  }
}

function newDirectory(name: string, parent: Directory | undefined, metadata: Metadata): Directory {
  const depth = parent === undefined ? 0 : parent.depth + 1;
  const directory: Omit<Directory, "parent"> & { parent?: Directory } = {
    ...{
      kind: "directory",
      metadata,
      name,
      depth,
      children: new Map(),
      fresh: undefined,
      hiddenBy: undefined,
    },
  };
  return Object.assign(directory, { parent: parent ?? (directory as Directory) });
}

const none: Metadata["xattrs"] = [];

function implied(mtimeS: number): Metadata {
  return { mode: 0o755, uid: 0, gid: 0, mtimeS, mtimeNs: 0, xattrs: none };
}

/** For messages: bytes as text where they are. */
export function show(path: string): string {
  return JSON.stringify(Buffer.from(path, "latin1").toString("utf8").slice(0, 200));
}

function refuse(path: readonly string[], why: string): BangerError {
  return new BangerError("corrupt", `a layer has an entry whose name ${show(path.join("/"))} ${why}`);
}
