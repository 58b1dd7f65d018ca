/** A disk is made under another name, and only then given its own: what bears the name is whole. */
import { type FileHandle, unlink } from "node:fs/promises";
import { makeAside } from "../sys/sys.ts";

export interface AsideOptions {
  /** Unless false, the disk outlives a power cut, at the price of an fsync of all of it; else it outlives a kill. */
  durable?: boolean;
}

/**
 * `make` fills an empty file beside `path`. The caller makes the rename durable by syncing the directory, once for all
 * files in it. Nothing is left when `make` fails; what a killed process left is overwritten by the next.
 */
export async function makeDisk(
  path: string,
  { durable = true }: AsideOptions,
  make: (file: FileHandle, aside: string) => Promise<void>,
): Promise<void> {
  const aside = `${path}.new`;
  await unlink(aside).catch(() => {
    // Usually there is none.
  });
  await makeAside(path, { aside, mode: 0o600, durable }, (file) => make(file, aside));
}
