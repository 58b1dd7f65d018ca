/** What a merged tree comes to: the order in which it is written, and how much that is. */
import type { Directory, File, Node, Place, Symlink } from "./tree.ts";

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

export interface RootPlan {
  totals: RootTotals;
  /** Each after the one it is in. */
  directories: Directory[];
  /** For each layer, in the order of its entries. */
  files: File[][];
  symlinks: Symlink[];
  hardLinks: { place: Place; target: File | Symlink }[];
}

const blockBytes = 4096;
/** Longer symlinks take a block: i_block, where short ones are, has 60 bytes (the kernel's Documentation/filesystems/ext4). */
const inlineSymlinkBytes = 60;

/** Names in the order of their bytes: one image gives one file system. */
export function planRoot(root: Directory, layers: number): RootPlan {
  const totals: RootTotals = {
    ...{ directories: 0, files: 0, symlinks: 0, hardLinks: 0, specials: 0, contentBytes: 0, blockBytes: 0 },
  };
  const files: File[][] = Array.from({ length: layers }, () => []);
  const plan: RootPlan = { totals, directories: [], files, symlinks: [], hardLinks: [] };
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
      else if (child !== undefined) take(plan, child, { parent: directory, name });
    }
    totals.blockBytes += blocks(nameBytes + 24) + extra(directory);
  }
  for (const inLayer of files) inLayer.sort((a, b) => a.entry - b.entry);
  return plan;
}

function take(
  { totals, files, symlinks, hardLinks }: RootPlan,
  node: Exclude<Node, Directory>,
  place: Place,
): void {
  if (node.kind === "special") {
    totals.specials += 1;
    return;
  }
  if (node.place !== undefined) {
    totals.hardLinks += 1;
    hardLinks.push({ place, target: node });
    return;
  }
  node.place = place;
  totals.blockBytes += extra(node);
  if (node.kind === "file") {
    totals.files += 1;
    totals.contentBytes += node.sizeBytes;
    totals.blockBytes += blocks(node.sizeBytes);
    files[node.layer]?.push(node);
  } else {
    totals.symlinks += 1;
    if (node.target.length >= inlineSymlinkBytes) totals.blockBytes += blockBytes;
    symlinks.push(node);
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

/** Extended attributes, which may not fit into the inode. */
function extra({ metadata }: Exclude<Node, { kind: "special" }>): number {
  return metadata.xattrs.length > 0 ? blockBytes : 0;
}
