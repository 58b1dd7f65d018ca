/** A disk is made under another name, and only then given its own: what bears the name is whole. */
import { type FileHandle, open, rename, unlink } from "node:fs/promises";

export interface AsideOptions {
  /** Unless false, the disk outlives a power cut, at the price of an fsync of all of it; else it outlives a kill. */
  durable?: boolean;
}

/**
 * `make` fills an empty file beside `path`. The caller makes the rename durable by syncing the directory, once for all
 * files in it. Nothing is left when `make` fails; what a killed process left is overwritten by the next.
 */
export async function makeAside(
  path: string,
  { durable = true }: AsideOptions,
  make: (file: FileHandle, aside: string) => Promise<void>,
): Promise<void> {
  const aside = `${path}.new`;
  try {
    await unlink(aside).catch(() => {
      // Usually there is none.
    });
    const file = await open(aside, "wx+", 0o600);
    try {
      await make(file, aside);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await unlink(aside).catch(() => {
      // It may never have been made; the first error is the one to report.
    });
    throw error;
  }
}
