/** When a file is known to be what the index says, without reading it. */
import type { Stats } from "node:fs";
import type { IndexEntry } from "./index-file.ts";

/**
 * Whether the file that was just read has the content that the index names. By git's own rule: its stat is the one the
 * index recorded, and it is older than the index (a younger one may have changed within the clock's grain).
 */
export function isClean(entry: IndexEntry, before: Stats, after: Stats, indexTimeMs: number): boolean {
  const { stat } = entry;
  if (entry.stage !== 0 || entry.intentToAdd || stat.mtimeS === 0) return false;
  if (after.mtimeMs !== before.mtimeMs || after.ctimeMs !== before.ctimeMs || after.size !== before.size)
    return false;
  // 5 microseconds: the grain of a double that holds milliseconds since 1970, generously.
  const same = (ms: number, s: number, ns: number) =>
    Math.floor(ms / 1000) === s && (ns === 0 || Math.abs(ms - s * 1000 - ns / 1e6) < 0.005);
  return (
    before.size % 2 ** 32 === stat.size &&
    before.mtimeMs < indexTimeMs - 0.005 &&
    same(before.mtimeMs, stat.mtimeS, stat.mtimeNs) &&
    same(before.ctimeMs, stat.ctimeS, stat.ctimeNs) &&
    before.ino % 2 ** 32 === stat.ino
  );
}
