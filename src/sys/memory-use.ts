/** How much memory a process takes: its own, and what it has in common with others or with a file. */
import { readFile } from "node:fs/promises";

export interface MemoryUse {
  /** Written by it. */
  ownBytes: number;
  /** Pages of files, which it has read, and which others may have mapped as well. */
  sharedBytes: number;
  /** Its own, and its share of what it has in common with other processes. */
  proportionalBytes: number;
}

/** Undefined for a process that has gone. Walks its page tables: a few milliseconds for each GiB. */
export async function memoryUse(pid: number): Promise<MemoryUse | undefined> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  const bytes = (name: string) => {
    const kib = new RegExp(`^${name}: +([0-9]+) kB$`, "m").exec(text)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
  const [resident, own, proportional] = [bytes("Rss"), bytes("Anonymous"), bytes("Pss")];
  return resident === undefined || own === undefined || proportional === undefined
    ? undefined
    : { ownBytes: own, sharedBytes: resident - own, proportionalBytes: proportional };
}
