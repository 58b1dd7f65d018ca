/** What a merged tree comes to: the order in which it is written, and how much that is. */
import type { Directory, File, Node, Symlink } from "./tree.ts";

export interface RootTotals {
  directories: number;
  files: number;
  symlinks: number;
  hardLinks: number;
  /** Devices and FIFOs, which are left out. */
  specials: number;
  /** Of files, in bytes. */
  contentBytes: number;
  /** What it all takes in blocks of 4 KiB, names and extended attributes too. */
  blockBytes: number;
}

export type Leaf = File | Symlink;

export interface RootPlan {
  totals: RootTotals;
  /** Each after the one it is in. */
  directories: Directory[];
  /** For each layer, the last of its entries first: whoever writes them takes them from the end. */
  leaves: Leaf[][];
  hardLinks: { parent: Directory; name: string; target: Leaf }[];
}

const blockBytes = 4096;
/** Longer symlinks take a block: i_block, where short ones are, has 60 bytes (the kernel's Documentation/filesystems/ext4). */
const inlineSymlinkBytes = 60;

/**
 * Names in the order of their bytes: one image gives one file system. Takes the tree apart, which is large: afterwards its
 * directories are empty.
 */
export function planRoot(root: Directory, layers: number): RootPlan {
  const totals: RootTotals = {
    ...{ directories: 0, files: 0, symlinks: 0, hardLinks: 0, specials: 0, contentBytes: 0, blockBytes: 0 },
  };
  const leaves: Leaf[][] = Array.from({ length: layers }, () => []);
  const plan: RootPlan = { totals, directories: [], leaves, hardLinks: [] };
  const waiting = [root];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const directory = next;
    plan.directories.push(directory);
    totals.directories += 1;
    let nameBytes = 0;
    for (const name of [...directory.children.keys()].sort(byBytes)) {
      const child = directory.children.get(name);
      nameBytes += 12 + name.length;
      if (child?.kind === "directory") waiting.push(child);
      else if (child !== undefined) take(plan, child, directory, name);
    }
    directory.children.clear();
    const attributes = directory.metadata.xattrs.length > 0;
    totals.blockBytes += blocks(nameBytes + 24) + (attributes ? blockBytes : 0);
  }
  for (const inLayer of leaves) inLayer.sort((a, b) => b.entry - a.entry);
  return plan;
}

function take(
  { totals, leaves, hardLinks }: RootPlan,
  node: Exclude<Node, Directory>,
  parent: Directory,
  name: string,
): void {
  if (node.kind === "special") {
    totals.specials += 1;
    return;
  }
  if (node.parent !== undefined) {
    totals.hardLinks += 1;
    hardLinks.push({ parent, name, target: node });
    return;
  }
  node.parent = parent;
  node.name = name;
  leaves[node.layer]?.push(node);
  // They may not fit into the inode.
  if (node.hasAttributes) totals.blockBytes += blockBytes;
  if (node.kind === "file") {
    totals.files += 1;
    totals.contentBytes += node.sizeBytes;
    totals.blockBytes += blocks(node.sizeBytes);
  } else {
    totals.symlinks += 1;
    if (node.target.length >= inlineSymlinkBytes) totals.blockBytes += blockBytes;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}
