/** A disk like another, which nobody writes meanwhile. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { cloneFile, copySparse } from "../sys/sys.ts";
import { type AsideOptions, makeDisk } from "./aside.ts";

/** Shares blocks where the file system can; where it cannot, holes stay holes. `signal` ends it early, and leaves nothing. */
export async function copyDisk(
  from: string,
  to: string,
  { signal, ...options }: AsideOptions & { signal?: AbortSignal },
): Promise<void> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await copyOpened(source, to, { ...options, ...(signal && { signal }) });
  } finally {
    await source.close();
  }
}

/** The same of a file that is open, whatever its name has come to mean meanwhile. */
export async function copyOpened(
  source: FileHandle,
  to: string,
  { signal, ...options }: AsideOptions & { signal?: AbortSignal },
): Promise<void> {
  const { size } = await source.stat();
  await makeDisk(to, options, async (target) => {
    if (!cloneFile(target.fd, source.fd)) await copySparse(source, target, size, signal);
  });
}
