/** Small JSON files that tell by themselves whether they are what was written. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { z } from "zod";

const Sealed = z.strictObject({ manifest: z.looseObject({}), checksum: z.string() });
const mostBytes = 1024 * 1024;

const checksumOf = (manifest: object) =>
  Bun.hash.xxHash3(JSON.stringify(manifest)).toString(16).padStart(16, "0");

/** The text of such a file. What it says of other files would be believed without a checksum of its own. */
export function seal(manifest: Record<string, unknown>): string {
  const sealed: z.infer<typeof Sealed> = { manifest, checksum: checksumOf(manifest) };
  return JSON.stringify(sealed);
}

/** Throws when it is absent (ENOENT), no regular file, or not what was written. */
export function unseal(path: string): unknown {
  // O_NONBLOCK: a pipe in its place would be waited for.
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error(`${path} is no regular file`);
    if (found.size > mostBytes) throw new Error(`${path} is too large for a manifest`);
    const { manifest, checksum } = Sealed.parse(JSON.parse(readFileSync(file, "utf8")));
    if (checksumOf(manifest) !== checksum) throw new Error("its manifest has changed");
    return manifest;
  } finally {
    closeSync(file);
  }
}
