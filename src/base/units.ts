/** Sizes and durations as people write them. All sizes in bytes, all times in milliseconds. */
import { BangerError } from "./errors.ts";

const MiB = 1024 * 1024;
const sizeUnits: Record<string, number> = { "": MiB, K: 1024, M: MiB, G: 1024 * MiB, T: 1024 * 1024 * MiB };

/** "4G", "4GiB", "512M"; a bare number is MiB. Throws bad_request for anything else, zero and fractions included. */
export function parseSizeBytes(text: string): number {
  const match = /^([0-9]{1,15})([KMGT]?)(?:iB|B)?$/i.exec(text.trim());
  const count = Number(match?.[1] ?? 0);
  const bytes = count * (sizeUnits[(match?.[2] ?? "").toUpperCase()] ?? 0);
  if (!match || bytes <= 0 || !Number.isSafeInteger(bytes)) {
    throw new BangerError("bad_request", `${JSON.stringify(text)} is not a size`, {
      hint: "write sizes like 512M, 4G or 4GiB; a bare number is MiB",
    });
  }
  return bytes;
}

/** 1536 -> "1.5K", 8589934592 -> "8G": at most one decimal, for people. */
export function formatBytes(bytes: number): string {
  const units = ["B", "K", "M", "G", "T", "P"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const text = value >= 100 || Number.isInteger(value) ? Math.round(value).toString() : value.toFixed(1);
  return `${text.replace(/\.0$/, "")}${units[unit]}`;
}

const durationUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go-style durations: "24h", "2h30m", "90s", "0". Throws bad_request for anything else. */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  if (!/^(?:[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h))+$/.test(text)) {
    throw new BangerError("bad_request", `${JSON.stringify(text)} is not a duration`, {
      hint: "write durations like 90s, 2h30m or 24h; 0 turns it off",
    });
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(count) * (durationUnits[unit ?? ""] ?? 0);
  }
  return Math.round(total);
}

/** 950 -> "0.95s", 61_000 -> "1m01s": for progress lines. */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)}s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
}

const spans: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** 9_000_000 -> "2h30m", 86_400_000 -> "1d": how long something has lasted, or is to; two units at most. */
export function formatSpan(ms: number): string {
  const first = spans.findIndex(([, size]) => ms >= size);
  if (first === -1) return ms > 0 && ms < 1000 ? `${Math.round(ms)}ms` : "0s";
  let left = ms;
  const parts = spans.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? "" : `${count}${unit}`;
  });
  return parts.join("");
}
