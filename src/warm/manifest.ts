/** What is written beside a template's files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { seal, unseal } from "./sealed.ts";

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

export const manifestName = "manifest.json";
export const memoryName = "memory";
export const stateName = "state";

export function writeManifest(directory: string, given: Manifest): string {
  const path = join(directory, manifestName);
  writeFileSync(path, seal(Manifest.parse(given)), { mode: 0o600 });
  return path;
}

/** Throws when it is absent, not what was written, or makes no sense. */
export function readManifest(directory: string): Manifest {
  return Manifest.parse(unseal(join(directory, manifestName)));
}
