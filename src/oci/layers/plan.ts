/** What a merged tree comes to: the order in which it is written, and how much that is. */
import { leftBehind } from "../../base/base.ts";
import type { MergedDirectory, Tree } from "./tree.ts";

export interface RootTotals {
  directories: number;
  files: number;
  symlinks: number;
  hardLinks: number;
  /** Devices and FIFOs, which are left out. */
  specials: number;
  /** Files and symlinks in the root that have a reserved name, and are left out for that. */
  displaced: number;
  /** Of files, in bytes. */
  contentBytes: number;
  /** What it all takes in blocks of 4 KiB, names and extended attributes too. */
  blockBytes: number;
}

export interface RootPlan {
  totals: RootTotals;
  /** Each after the one it is in. */
  directories: MergedDirectory[];
  /** Entries of names that are hard links. */
  hardLinks: number[];
}

const blockBytes = 4096;
/** Longer symlinks take a block: i_block, where short ones are, has 60 bytes (the kernel's Documentation/filesystems/ext4). */
const inlineSymlinkBytes = 60;

/**
 * Gives each leaf that is left the name under which it is made. `reserved`: names in the root that the file system has a
 * directory of itself. A layer's directory can be that one; nothing else can have the name.
 */
export function planRoot(tree: Tree, reserved: ReadonlySet<string>): RootPlan {
  const totals: RootTotals = {
    directories: 0,
    files: 0,
    symlinks: 0,
    hardLinks: 0,
    specials: 0,
    displaced: 0,
    contentBytes: 0,
    blockBytes: 0,
  };
  const plan: RootPlan = { totals, directories: [], hardLinks: [] };
  const waiting = [tree.root];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    plan.directories.push(next);
    totals.directories += 1;
    let nameBytes = 0;
    for (const entry of tree.names.of(next.number)) {
      nameBytes += 12 + tree.names.nameBytes(entry);
      const below = tree.directory(tree.names.value(entry));
      if (below !== undefined) waiting.push(below);
      else if (next === tree.root && reserved.has(tree.names.name(entry))) totals.displaced += 1;
      else take(plan, tree, entry);
    }
    const attributes = next.metadata.xattrs.length > 0;
    leftBehind(2 * next.size);
    totals.blockBytes += blocks(nameBytes + 24) + (attributes ? blockBytes : 0);
  }
  return plan;
}

/** A name that is no directory's. */
function take({ totals, hardLinks }: RootPlan, tree: Tree, entry: number): void {
  const { names, leaves } = tree;
  const number = tree.leaf(names.value(entry));
  if (number === undefined) {
    totals.specials += 1;
    return;
  }
  if (leaves.nameOf(number) !== undefined) {
    totals.hardLinks += 1;
    hardLinks.push(entry);
    return;
  }
  leaves.setName(number, entry);
  const leaf = leaves.get(number);
  // They may not fit into the inode.
  if (leaf.hasAttributes) totals.blockBytes += blockBytes;
  if (leaf.kind === "file") {
    totals.files += 1;
    totals.contentBytes += leaf.sizeBytes;
    totals.blockBytes += blocks(leaf.sizeBytes);
  } else {
    totals.symlinks += 1;
    if (leaf.target.length >= inlineSymlinkBytes) totals.blockBytes += blockBytes;
  }
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}
