/** What is written beside a template's files. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const FileName = z.string().regex(/^[a-z0-9][a-z0-9.]*$/);

export const Manifest = z.strictObject({
  format: z.literal(1),
  id: z.uuid(),
  key: z.record(z.string(), z.string()),
  createdAt: z.string(),
  root: z.strictObject({ file: FileName, format: z.enum(["raw", "qcow2"]), strategy: z.string() }),
  work: FileName,
  files: z.record(FileName, z.strictObject({ size: z.int().nonnegative(), checksum: z.string() })),
});
export type Manifest = z.infer<typeof Manifest>;

const Sealed = z.strictObject({ manifest: z.looseObject({}), checksum: z.string() });

export const manifestName = "manifest.json";
export const memoryName = "memory";
export const stateName = "state";

/** Of the manifest itself: what it says of the others would be believed otherwise. */
const checksumOf = (manifest: object) =>
  Bun.hash.xxHash3(JSON.stringify(manifest)).toString(16).padStart(16, "0");

export function writeManifest(directory: string, given: Manifest): string {
  const manifest = Manifest.parse(given);
  const path = join(directory, manifestName);
  const sealed: z.infer<typeof Sealed> = { manifest, checksum: checksumOf(manifest) };
  writeFileSync(path, JSON.stringify(sealed), { mode: 0o600 });
  return path;
}

/** Throws when it is absent, not what was written, or makes no sense. */
export function readManifest(directory: string): Manifest {
  const { manifest, checksum } = Sealed.parse(
    JSON.parse(readFileSync(join(directory, manifestName), "utf8")),
  );
  if (checksumOf(manifest) !== checksum) throw new Error("its manifest has changed");
  return Manifest.parse(manifest);
}
