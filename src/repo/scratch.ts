/**
 * Private directories for git's work, below the user's cache. Their names carry the owner process (pid and start
 * time), so that what a killed process left is found and removed by the next one.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { toBangerError } from "../base/base.ts";

const live = new Set<string>();
let hooked = false;

/** Where scratch directories live when the caller does not say: `$XDG_CACHE_HOME/banger/git`. */
export function defaultScratchBase(): string {
  const cache = process.env.XDG_CACHE_HOME;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, "banger", "git");
  const home = homedir();
  return isAbsolute(home)
    ? join(home, ".cache", "banger", "git")
    : join(tmpdir(), `banger-git-${process.getuid?.() ?? 0}`);
}

/** Makes a directory that only this user can enter. It is removed by removeScratch, at exit, or by the next process. */
export function createScratch(base: string): string {
  let dir: string;
  try {
    mkdirSync(base, { recursive: true, mode: 0o700 });
    removeAbandoned(base);
    dir = mkdtempSync(join(base, `run-${process.pid}-${startTime(process.pid) ?? 0}-`));
    chmodSync(dir, 0o700);
  } catch (error) {
    throw toBangerError(error);
  }
  live.add(dir);
  if (!hooked) {
    hooked = true;
    process.once("exit", () => {
      for (const dir of live) removeScratch(dir);
    });
  }
  return dir;
}

/** Removes it with all it holds; absent is fine. */
export function removeScratch(dir: string): void {
  live.delete(dir);
  rmSync(dir, { recursive: true, force: true });
}

function removeAbandoned(base: string): void {
  for (const name of readdirSync(base)) {
    const [, pid, start] = /^run-([0-9]+)-([0-9]+)-/.exec(name) ?? [];
    if (pid === undefined || start === undefined) continue;
    if (startTime(Number(pid)) !== start) rmSync(join(base, name), { recursive: true, force: true });
  }
}

/** A process's start in clock ticks since boot (field 22 of proc_pid_stat(5)): tells it from a later owner of its pid. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined; // no such process
  }
}
