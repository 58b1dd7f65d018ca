import { createHash } from "node:crypto";
import type { KeyRecord } from "./warm.ts";

/** The directory's name of a template that is good for `record`. */
export function templateName(record: KeyRecord): string {
  const sorted = Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 32);
}
