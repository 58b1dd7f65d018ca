/** Locks between processes: flock(2) on a file. Who removes it does so while holding it. */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { tryLock } from "./shim.ts";

export interface FileLock {
  release(): void;
}

/** The lock, or undefined when another process holds it. Released by `release` or by the end of the process. */
export function lockFile(path: string): FileLock | undefined {
  for (;;) {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    let held = false;
    try {
      // A file that was removed between its opening and its locking is nobody's lock any more.
      if (!tryLock(fd)) return undefined;
      held = fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino;
    } finally {
      if (!held) closeSync(fd);
    }
    if (held) return { release: () => closeSync(fd) };
  }
}
