/** Locks between processes: flock(2) on a file that is never removed, so that nobody locks a stale inode. */
import { closeSync, constants, openSync } from "node:fs";
import { tryLock } from "./shim.ts";

export interface FileLock {
  release(): void;
}

/** The lock, or undefined when another process holds it. Released by `release` or by the end of the process. */
export function lockFile(path: string): FileLock | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  let held = false;
  try {
    held = tryLock(fd);
  } finally {
    if (!held) closeSync(fd);
  }
  return held ? { release: () => closeSync(fd) } : undefined;
}
