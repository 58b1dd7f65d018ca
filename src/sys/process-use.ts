/** What a process takes of its host's processors and memory, as everybody may know it. */
import { readFile } from "node:fs/promises";
import type { ProcessIdentity } from "./identity.ts";

export interface ProcessUse {
  /** Processor time since it began, in all its threads, in ms. */
  cpuMs: number;
  residentBytes: number;
}

/** USER_HZ of every Linux on x86-64 (asm-generic/param.h): what /proc counts in, whatever the kernel's own tick is. */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** Undefined for one that has gone, though another may have its number by now. */
export async function processUse({ pid, startTicks }: ProcessIdentity): Promise<ProcessUse | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return parseStat(stat, startTicks);
}

/** proc(5): after the name, which may hold anything, utime and stime are the fields 14 and 15, starttime 22, rss 24. */
export function parseStat(stat: string, startTicks: number): ProcessUse | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  const [user, system, started, pages] = [field(14), field(15), field(22), field(24)];
  if (started !== startTicks || ![user, system, pages].every(Number.isFinite)) return undefined;
  return { cpuMs: ((user + system) * 1000) / ticksPerSecond, residentBytes: pages * pageBytes };
}
