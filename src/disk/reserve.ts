/**
 * A little disk space, kept for the moment when there is none: ending and deleting VMs is what frees a full disk, and it
 * has to be written down first.
 */
import { unlinkSync, writeFileSync } from "node:fs";

const reservedBytes = 1024 * 1024;

export interface DiskReserve {
  /** Takes the space, if it is there to be taken. */
  hold(): void;
  /** Gives it back; false when there was none. */
  release(): boolean;
}

export function diskReserve(path: string): DiskReserve {
  return {
    hold: () => {
      try {
        // Not zeros: some file systems store those as holes.
        writeFileSync(path, Buffer.alloc(reservedBytes, "banger's reserve\n"), { mode: 0o600, flag: "wx" });
      } catch (error) {
        // There already, whole or in part; or the disk is full as it is: what was written of it goes again.
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) remove(path);
      }
    },
    release: () => remove(path),
  };
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
