/** New content for a disk that a machine has open, at a moment when its guest has neither mounted it nor read of it. */
import { open } from "node:fs/promises";
import { cloneFile, copySparse } from "../sys/sys.ts";
import type { AsideOptions } from "./aside.ts";

/** In place, because whoever has the file open goes on with it. Cut short, it leaves a disk that is neither. */
export async function replaceContent(
  from: string,
  to: string,
  { durable = true }: AsideOptions,
): Promise<void> {
  const source = await open(from, "r");
  try {
    const { size } = await source.stat();
    const target = await open(to, "r+");
    try {
      // Copies make holes by leaving them out.
      await target.truncate(0);
      if (!cloneFile(target.fd, source.fd)) await copySparse(source, target, size);
      if (durable) await target.datasync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
