/**
 * The root file system that layers make together, in memory: names and metadata, and of each file which entry of which
 * layer has its content. Nothing of an image is a path of this host: names are looked up here, and nowhere else.
 *
 * Names are bytes, as strings of the characters U+0000 to U+00FF ("latin1" to Buffer): nothing is normalised.
 */
import { BangerError } from "../../base/base.ts";
import { NameTable } from "../../names/names.ts";
import { type Leaf, LeafTable } from "./leaves.ts";

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

export interface MergedDirectory {
  /** Which of the tree's directories it is. */
  number: number;
  metadata: Metadata;
  /** Itself for the root. */
  parent: MergedDirectory;
  /** Of its name; undefined for the root. */
  entry: number | undefined;
  /** Directories between it and the root, itself counted. */
  depth: number;
  /** Names in it. */
  size: number;
  /** The layer that has last hidden all that lower ones had here: to do so again finds nothing. */
  hiddenBy: number | undefined;
}

/**
 * What a name stands for: 4 times the number of a directory, 4 times that of a leaf and 1, or `special`, which is a device
 * or a FIFO: it hides what was there, and is then left out.
 */
export type Ref = number;
const isLeaf = 1;
export const special: Ref = 2;

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
  readonly root: MergedDirectory;
  readonly names: NameTable = new NameTable();
  readonly leaves: LeafTable = new LeafTable();
  /** Nodes that were ever made; the memory they take is what hostile layers would be after. */
  made = 0;
  readonly #directories: MergedDirectory[] = [];
  /** The layer that has put a name, by the name's entry: its own whiteouts do not mean it. */
  #putBy = new Uint16Array(1024);
  #detours = 0;
  #lookups = 0;
  #targetBytes = 0;
  #attributeBytes = 0;
  #layer = 0;

  constructor(readonly maxNodes: number) {
    this.root = this.#newDirectory(undefined, implied(0));
  }

  get layer(): number {
    return this.#layer;
  }

  /** What was put there until now is lower from here on. */
  nextLayer(): void {
    this.#layer += 1;
    this.leaves.nextLayer();
  }

  get(parent: MergedDirectory, name: string): Ref | undefined {
    return this.names.get(parent.number, name);
  }

  /** The directory that a name stands for. */
  directory(ref: Ref | undefined): MergedDirectory | undefined {
    return ref === undefined || ref % 4 !== 0 ? undefined : this.#directories[ref / 4];
  }

  /** The number of the leaf that a name stands for. */
  leaf(ref: Ref | undefined): number | undefined {
    return ref === undefined || ref % 4 !== isLeaf ? undefined : (ref - isLeaf) / 4;
  }

  /**
   * The directory that a path means, with symlinks in it followed as inside of a chroot: absolute ones from the root, and
   * nothing is above the root. `create`: what is not there is made, with this modification time, as all unpackers do for
   * layers that leave parents out; else undefined stands for it. Throws corrupt for a way that cannot be made.
   */
  enter(path: readonly string[], create: { mtimeS: number } | undefined): MergedDirectory | undefined {
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
      const child = this.get(at, name);
      const leaf = this.leaf(child);
      const symlink = leaf === undefined ? undefined : this.leaves.get(leaf);
      if (child === undefined) {
        if (create === undefined) return undefined;
        at = this.#addDirectory(at, name, implied(create.mtimeS));
      } else if (symlink?.kind === "symlink") {
        const { target } = symlink;
        symlinks += 1;
        if (symlinks > maxSymlinks) throw refuse(path, "leads through too many symlinks");
        if (target.startsWith("/")) at = this.root;
        const detour = target.split("/").filter((part) => part !== "" && part !== ".");
        // Even the shortest costs as much as some names.
        this.#detours += detour.length + target.length / 64 + 1;
        if (this.#detours > maxDetours)
          throw refuse(path, "is one way through symlinks too many for an image");
        pending.push(...detour.reverse());
      } else {
        const directory = this.directory(child);
        if (directory !== undefined) at = directory;
        else if (create === undefined) return undefined;
        else throw refuse(path, `leads through ${show(name)}, which is no directory`);
      }
    }
    return at;
  }

  /** A directory of a layer's own: one that is there keeps what is in it, anything else gives way. */
  putDirectory(parent: MergedDirectory, name: string, metadata: Metadata): void {
    for (const { value } of metadata.xattrs) this.#attributeBytes += value.length;
    if (this.#attributeBytes > maxAttributeBytes)
      throw refuse([name], "has more extended attributes, with those before it, than an image may have");
    const known = this.directory(this.get(parent, name));
    if (known === undefined) this.#addDirectory(parent, name, metadata);
    else {
      known.metadata = metadata;
      this.#set(parent, name, known.number * 4);
    }
  }

  putLeaf(parent: MergedDirectory, name: string, leaf: Leaf): void {
    if (leaf.kind === "symlink") this.#targetBytes += leaf.target.length;
    if (this.#targetBytes > maxTargetBytes)
      throw refuse([name], "brings more bytes of targets of symlinks than an image may have");
    this.put(parent, name, this.leaves.add(leaf) * 4 + isLeaf);
  }

  /** Something special, or another name for what is there. */
  put(parent: MergedDirectory, name: string, ref: Ref): void {
    this.#count();
    this.#set(parent, name, ref);
  }

  /** Takes away what lower layers had under a name; what this layer has put there itself stays. */
  whiteOut(parent: MergedDirectory, name: string): void {
    const entry = this.#layer === 0 ? undefined : this.names.find(parent.number, name);
    if (entry !== undefined) this.#hide(parent, entry);
  }

  /** The same for all that is in a directory. */
  hideLower(directory: MergedDirectory): void {
    if (this.#layer === 0 || directory.hiddenBy === this.#layer) return;
    directory.hiddenBy = this.#layer;
    for (const entry of this.names.of(directory.number)) this.#hide(directory, entry);
  }

  #hide(parent: MergedDirectory, entry: number): void {
    const kept = this.#putBy[entry] === this.#layer;
    const directory = this.directory(this.names.value(entry));
    if (directory !== undefined) {
      this.hideLower(directory);
      // It is only the way to what this layer has put below it.
      if (!kept && directory.size > 0) directory.metadata = implied(directory.metadata.mtimeS);
    }
    if (kept || (directory?.size ?? 0) > 0) return;
    this.names.remove(entry);
    parent.size -= 1;
  }

  #addDirectory(parent: MergedDirectory, name: string, metadata: Metadata): MergedDirectory {
    this.#count();
    if (parent.depth === maxDepth) throw refuse([name], `is more than ${maxDepth} directories deep`);
    const directory = this.#newDirectory(parent, metadata);
    directory.entry = this.#set(parent, name, directory.number * 4);
    return directory;
  }

  #newDirectory(parent: MergedDirectory | undefined, metadata: Metadata): MergedDirectory {
    const number = this.#directories.length;
    const depth = parent === undefined ? 0 : parent.depth + 1;
    const own: Omit<MergedDirectory, "parent"> = {
      number,
      metadata,
      entry: undefined,
      depth,
      size: 0,
      hiddenBy: undefined,
    };
    const directory: MergedDirectory = Object.assign(own, { parent: parent ?? (own as MergedDirectory) });
    this.#directories.push(directory);
    return directory;
  }

  /** Returns the name's entry. */
  #set(parent: MergedDirectory, name: string, ref: Ref): number {
    if (name.length > maxNameBytes) throw refuse([name], `is longer than ${maxNameBytes} bytes`);
    if (this.names.find(parent.number, name) === undefined) parent.size += 1;
    const entry = this.names.set(parent.number, name, ref);
    if (entry >= this.#putBy.length)
      this.#putBy = new Uint16Array(this.#putBy.buffer.transfer(this.#putBy.byteLength * 2));
    this.#putBy[entry] = this.#layer;
    return entry;
  }

  #count(): void {
    this.made += 1;
    if (this.made > this.maxNodes) {
      throw new BangerError("precondition", `the image has more than ${this.maxNodes} files and directories`);
    }
  }
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
