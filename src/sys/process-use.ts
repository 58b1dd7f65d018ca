/** What a process takes of its host's processors and memory, as everybody may know it. */
import { readFile } from "node:fs/promises";
import type { ProcessIdentity } from "./identity.ts";

export interface ProcessUse {
  /** Processor time since it began, in all its threads, in ms. */
  cpuMs: number;
  residentBytes: number;
  /**
   * What only its end gives back: without pages of files, such as a memory that was saved, which the kernel drops when it needs
   * the room. Null where the kernel does not say.
   */
  ownBytes: number | null;
}

/** USER_HZ of every Linux on x86-64 (asm-generic/param.h): what /proc counts in, whatever the kernel's own tick is. */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** Undefined for one that has gone, though another may have its number by now. */
export async function processUse({ pid, startTicks }: ProcessIdentity): Promise<ProcessUse | undefined> {
  // In this order: the second says that it is the process which the first was about.
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const use = parseStat(stat, startTicks);
  return use && { ...use, ownBytes: parseOwn(status) };
}

/** proc_pid_status(5), since Linux 4.5; everybody may read it, unlike smaps. */
export function parseOwn(status: string): number | null {
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s*([0-9]+) kB$`, "m").exec(status)?.[1]);
  const bytes = (kib("RssAnon") + kib("RssShmem")) * 1024;
  return Number.isFinite(bytes) ? bytes : null;
}

/** proc(5): after the name, which may hold anything, utime and stime are the fields 14 and 15, starttime 22, rss 24. */
export function parseStat(stat: string, startTicks: number): Omit<ProcessUse, "ownBytes"> | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  const [user, system, started, pages] = [field(14), field(15), field(22), field(24)];
  if (started !== startTicks || ![user, system, pages].every(Number.isFinite)) return undefined;
  return { cpuMs: ((user + system) * 1000) / ticksPerSecond, residentBytes: pages * pageBytes };
}
