/** Disk space that files take: allocated, not apparent. Holes take none, and blocks shared by reflinks count for each file. */
import { lstat } from "node:fs/promises";
import { filesBelow } from "./files.ts";

/** Files that were counted already, whatever they are called: a second name takes nothing. */
export type Counted = Set<string>;

/** In bytes. A file that is not there takes none. */
export async function allocated(paths: Iterable<string>, counted: Counted = new Set()): Promise<number> {
  let total = 0;
  for (const path of paths) {
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    const file = `${found.dev}:${found.ino}`;
    if (counted.has(file)) continue;
    counted.add(file);
    total += found.blocks * 512;
  }
  return total;
}

/** The same of all files below a directory. */
export async function allocatedIn(directory: string, counted?: Counted): Promise<number> {
  const paths: string[] = [];
  try {
    for await (const path of filesBelow(directory)) paths.push(path);
  } catch {
    // It is not there, or is just going.
  }
  return allocated(paths, counted);
}
