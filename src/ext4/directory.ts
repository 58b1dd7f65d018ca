/** Directories while they are filled: names, and what they stand for. Kept in memory until all are known. */
import type { Meta } from "./inode.ts";
import { type NodeType, nodeTypes } from "./layout.ts";

/** A child that is no directory: its inode, with its type in the three lowest bits. */
type Leaf = number;

export class Directory {
  /** One character per byte. */
  readonly children = new Map<string, Directory | Leaf>();
  subdirectories = 0;
  /** Undefined: nobody has described it yet, it is only on the way to something else. */
  meta: Meta | undefined;

  /** `parent` is undefined for the root, which is its own. */
  constructor(
    readonly ino: number,
    readonly parent: Directory | undefined,
  ) {}

  addLeaf(name: string, ino: number, type: NodeType): void {
    this.children.set(name, leafOf(ino, type));
  }

  addDirectory(name: string, directory: Directory): void {
    this.children.set(name, directory);
    this.subdirectories += 1;
  }
}

export function leafOf(ino: number, type: NodeType): Leaf {
  return ino * 8 + nodeTypes[type].entry;
}

export interface DirectoryEntry {
  name: string;
  ino: number;
  /** EXT4_FT_..., as in nodeTypes. */
  type: number;
}

export function entryOf(name: string, child: Directory | Leaf): DirectoryEntry {
  if (typeof child !== "number") return { name, ino: child.ino, type: nodeTypes.directory.entry };
  return { name, ino: Math.floor(child / 8), type: child % 8 };
}
