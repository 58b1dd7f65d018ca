/** Directories while they are filled: names, and what they stand for. Kept in memory until all are known. */
import { leftBehind } from "../base/base.ts";
import { NameTable } from "../names/names.ts";
import type { Meta } from "./inode.ts";
import { lostAndFoundInode, type NodeType, nodeTypes, rootInode } from "./layout.ts";

export interface Directory {
  /** Which of the tree's directories it is, from 0, the root's. */
  readonly number: number;
  readonly ino: number;
  /** Itself for the root. */
  readonly parent: Directory;
  subdirectories: number;
  /** Undefined: nobody has described it yet, it is only on the way to something else. */
  meta: Meta | undefined;
}

export interface DirectoryEntry {
  name: string;
  ino: number;
  /** EXT4_FT_..., as in nodeTypes. */
  type: number;
}

/** What reading an entry or its name leaves behind. */
const objectsOfName = 6;

export class DirectoryTree {
  readonly root: Directory;
  readonly lostAndFound: Directory;
  readonly #directories: Directory[] = [];
  /** What a name stands for: 8 times the number of a directory, or of any other's inode, and its type. */
  readonly #names = new NameTable();

  constructor() {
    this.root = this.#made(rootInode, undefined);
    this.lostAndFound = this.addDirectory(this.root, "lost+found", lostAndFoundInode);
  }

  /** Each after the one it is in. */
  get directories(): readonly Directory[] {
    return this.#directories;
  }

  /** A directory, or the inode's number of something else. */
  get(parent: Directory, name: string): Directory | number | undefined {
    const entry = this.#names.find(parent.number, name);
    return entry === undefined ? undefined : (this.#directoryOf(entry) ?? this.entry(entry).ino);
  }

  /** The name must not be there. */
  addLeaf(parent: Directory, name: string, ino: number, type: NodeType): void {
    this.#names.set(parent.number, name, ino * 8 + nodeTypes[type].entry);
  }

  /** One more name for what is no directory. */
  addLink(parent: Directory, name: string, target: { parent: Directory; name: string }): void {
    const value = this.#names.get(target.parent.number, target.name);
    if (value !== undefined) this.#names.set(parent.number, name, value);
  }

  /** The name must not be there. */
  addDirectory(parent: Directory, name: string, ino: number): Directory {
    const directory = this.#made(ino, parent);
    this.#names.set(parent.number, name, directory.number * 8 + nodeTypes.directory.entry);
    parent.subdirectories += 1;
    return directory;
  }

  /** Of a directory, in the order in which they were added: what entry(), name() and nameBytes() tell more of. */
  entries(directory: Directory): Iterable<number> {
    return this.#names.of(directory.number);
  }

  entry(entry: number): DirectoryEntry {
    leftBehind(objectsOfName);
    const name = this.#names.name(entry);
    const value = this.#names.value(entry);
    return { name, ino: this.#directoryOf(entry)?.ino ?? Math.floor(value / 8), type: value % 8 };
  }

  name(entry: number): string {
    leftBehind(objectsOfName);
    return this.#names.name(entry);
  }

  nameBytes(entry: number): number {
    return this.#names.nameBytes(entry);
  }

  #directoryOf(entry: number): Directory | undefined {
    const value = this.#names.value(entry);
    return value % 8 === nodeTypes.directory.entry ? this.#directories[Math.floor(value / 8)] : undefined;
  }

  #made(ino: number, parent: Directory | undefined): Directory {
    const own = { number: this.#directories.length, ino, subdirectories: 0, meta: undefined };
    const made: Directory = Object.assign(own, { parent: parent ?? (own as unknown as Directory) });
    this.#directories.push(made);
    return made;
  }
}
