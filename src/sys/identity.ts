/** Processes that cannot be confused with others: pid + start time + boot id, signalled through pidfds. */
import { closeSync, readdirSync, readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { pidfdOpen, pidfdSignal } from "./shim.ts";

export const ProcessIdentitySchema = z.strictObject({
  pid: z.int().positive(),
  /** Field 22 of /proc/PID/stat (proc(5)): clock ticks after boot at which it started. */
  startTicks: z.number(),
  bootId: z.string(),
});
export type ProcessIdentity = z.infer<typeof ProcessIdentitySchema>;

let boot: string | undefined;

function bootId(): string {
  boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot;
}

/** The identity of a living process; undefined when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // ENOENT or ESRCH: no such process.
    return undefined;
  }
  // The second field is the command's name in parentheses and may hold anything, ')' and spaces included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, threads, startTicks] = [fields[0], Number(fields[17]), Number(fields[19])];
  // A first thread that has ended shows as a zombie while others still hold the process's files open.
  const ended = state === "X" || (state === "Z" && threads <= 1);
  if (ended || !Number.isFinite(startTicks)) return undefined;
  return { pid, startTicks, bootId: bootId() };
}

export function isAlive(process: ProcessIdentity): boolean {
  const now = identify(process.pid);
  return now !== undefined && now.startTicks === process.startTicks && now.bootId === process.bootId;
}

/** Signals the very process, never another one that got its number. False when it is gone. */
export function signalProcess(process: ProcessIdentity, signal: number): boolean {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd === undefined) return false;
  try {
    // Checked after the open: from here on the descriptor cannot come to mean another process.
    return isAlive(process) && pidfdSignal(pidfd, signal);
  } finally {
    closeSync(pidfd);
  }
}

export interface FoundProcess {
  identity: ProcessIdentity;
  argv: string[];
}

/** This user's processes whose command line passes `wanted`. */
export function findProcesses(wanted: (argv: string[]) => boolean): FoundProcess[] {
  const uid = process.getuid?.() ?? -1;
  const found: FoundProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      if (statSync(`/proc/${name}`).uid !== uid) continue;
      const argv = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").slice(0, -1);
      const identity = wanted(argv) ? identify(Number(name)) : undefined;
      if (identity !== undefined) found.push({ identity, argv });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}
