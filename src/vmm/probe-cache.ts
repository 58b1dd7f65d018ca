/** Answers of probes that cost a process each. They hold for one program during one boot of the host. */
import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { atomicWrite } from "../sys/sys.ts";

const Remembered = z.strictObject({
  bootId: z.string(),
  path: z.string(),
  sizeBytes: z.number(),
  modifiedMs: z.number(),
  version: z.string(),
  /** Whether a guest ran with KVM; absent when nobody has tried yet. */
  kvmRan: z.boolean().optional(),
});
export type Remembered = z.infer<typeof Remembered>;

/** Where answers are kept until the host boots again or the program changes. */
export interface ProbeCache {
  path: string;
  /** Only looked into: who asks must leave the host as it is. */
  readOnly?: boolean;
}

/** What is known of the program at `path`; `ask` finds its version out when nothing is. */
export async function recall(
  cache: ProbeCache | undefined,
  path: string,
  ask: () => Promise<string>,
): Promise<Remembered> {
  const { size, mtimeMs } = statSync(path);
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const now = { bootId, path, sizeBytes: size, modifiedMs: mtimeMs };
  const old = cache === undefined ? undefined : await readCache(cache.path);
  const fits =
    old !== undefined && Object.entries(now).every(([key, value]) => old[key as keyof typeof now] === value);
  return fits ? old : { ...now, version: await ask() };
}

export async function remember(cache: ProbeCache | undefined, known: Remembered): Promise<void> {
  if (cache === undefined || cache.readOnly === true) return;
  await atomicWrite(cache.path, JSON.stringify(known), { mode: 0o600 }).catch(() => {
    // Only time is lost; a disk that is full or read-only is reported by whoever needs to write to it.
  });
}

async function readCache(cache: string): Promise<Remembered | undefined> {
  try {
    return Remembered.parse(JSON.parse(await readFile(cache, "utf8")));
  } catch {
    // Absent, damaged or of another version of banger: found out anew.
    return undefined;
  }
}
