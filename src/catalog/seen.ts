/** Catalogs as they were last seen, in <cache>/catalogs: for when they cannot be had, and to know an old one from a new one. */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { atomicWrite } from "../sys/sys.ts";
import type { SignedBytes } from "./document.ts";

const Seen = z.strictObject({
  source: z.string(),
  seenAt: z.string(),
  bytes: z.base64(),
  signature: z.string().nullable(),
});

export interface SeenCatalog extends SignedBytes {
  seenAt: string;
}

/** Undefined for one that was not seen yet, or not by these means. */
export async function recallCatalog(cache: string, source: string): Promise<SeenCatalog | undefined> {
  const text = await readFile(placeOf(cache, source), "utf8").catch(() => "null");
  const seen = Seen.safeParse(parseJson(text));
  if (!seen.success || seen.data.source !== source) return undefined;
  const { bytes, signature, seenAt } = seen.data;
  return { bytes: Buffer.from(bytes, "base64"), signature: signature ?? undefined, seenAt };
}

export async function rememberCatalog(
  cache: string,
  source: string,
  { bytes, signature }: SignedBytes,
): Promise<void> {
  const seen: z.infer<typeof Seen> = {
    source,
    seenAt: new Date().toISOString(),
    bytes: bytes.toString("base64"),
    signature: signature ?? null,
  };
  await mkdir(join(cache, "catalogs"), { recursive: true, mode: 0o700 });
  await atomicWrite(placeOf(cache, source), JSON.stringify(seen), { mode: 0o600 });
}

function placeOf(cache: string, source: string): string {
  return join(cache, "catalogs", `${createHash("sha256").update(source).digest("hex")}.json`);
}

/** Undefined for what was cut short. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
