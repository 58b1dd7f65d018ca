/** What a VMM said last, for the message of an error. */
import { readFile, stat } from "node:fs/promises";

const tailBytes = 4096;

/** The size of a log before a start: what is said later came from that start. */
export async function logEnd(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** The last two lines since `from`, each as `clean` leaves it; those that it empties do not count. */
export async function lastLines(
  path: string,
  from: number,
  clean: (line: string) => string,
  otherwise = "it said nothing",
): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const lines = bytes
    .subarray(Math.max(from, bytes.length - tailBytes))
    .toString("utf8")
    .split("\n")
    .map((line) => clean(line.trim()))
    .filter((line) => line !== "");
  return lines.slice(-2).join("; ") || otherwise;
}
