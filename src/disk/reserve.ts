/**
 * Some disk space, kept for the moment when there is none: ending and deleting VMs is what frees a full disk, and it has to be
 * written down first; and a guest that is started to clear up has to boot.
 */
import { closeSync, fstatSync, openSync, unlinkSync, writeSync } from "node:fs";

/** A second boot writes a megabyte or two that its first has not. */
const usualBytes = 8 * 1024 * 1024;
const chunkBytes = 1024 * 1024;

export interface DiskReserve {
  /** Takes the space, if it is there to be taken. */
  hold(): void;
  /** Gives it back; false when there was none. */
  release(): boolean;
}

export function diskReserve(path: string, bytes = usualBytes): DiskReserve {
  return {
    hold: () => {
      try {
        fill(path, bytes);
      } catch {
        // The disk is full as it is: what was written of it goes again.
        remove(path);
      }
    },
    release: () => remove(path),
  };
}

/** What is there of it already counts. */
function fill(path: string, bytes: number): void {
  const file = openSync(path, "a", 0o600);
  try {
    for (let size = fstatSync(file).size; size < bytes; ) {
      // Not zeros: some file systems store those as holes.
      const chunk = Buffer.alloc(Math.min(chunkBytes, bytes - size), "banger's reserve\n");
      size += writeSync(file, chunk);
    }
  } finally {
    closeSync(file);
  }
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
