/** The latest release that was ever seen here, as it was signed: who offers an older one as the latest is not believed. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { atomicWrite, errnoOf } from "../sys/sys.ts";
import { compareVersions, Version } from "./versions.ts";

const Seen = z.strictObject({ version: Version, date: z.iso.datetime() });
export type Seen = z.infer<typeof Seen>;

const placeIn = (updates: string) => join(updates, "seen.json");

/** Undefined when none was seen yet. Throws corrupt for a file that somebody has damaged. */
export async function recallLatest(updates: string): Promise<Seen | undefined> {
  const path = placeIn(updates);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return Seen.parse(JSON.parse(text));
  } catch (cause) {
    throw new BangerError("corrupt", `${path} cannot be read`, {
      hint: "remove it; it says which release was the latest, so that nobody can offer an older one",
      cause,
    });
  }
}

/** Throws denied for one that is older than what was seen, by its version or by its signed date. */
export function checkNotOlder(offered: Seen, seen: Seen | undefined): void {
  if (seen === undefined) return;
  const order = compareVersions(offered.version, seen.version);
  const dates = Date.parse(offered.date) - Date.parse(seen.date);
  if (order > 0 && dates >= 0) return;
  if (order === 0 && dates === 0) return;
  throw new BangerError(
    "denied",
    `the list of releases is an old one: it offers v${offered.version} of ${offered.date} as the latest, and v${seen.version} of ${seen.date} was seen before`,
    {
      hint: `somebody hands out an old list, or the release was withdrawn: to have it all the same, say --to v${offered.version}`,
    },
  );
}

export async function rememberLatest(updates: string, { version, date }: Seen): Promise<void> {
  await mkdir(updates, { recursive: true, mode: 0o755 });
  await atomicWrite(placeIn(updates), `${JSON.stringify({ version, date })}\n`, { mode: 0o644 });
}

/**
 * As rememberLatest; what only looks (`check`) goes on without a disk that has room. Whoever has no right to write there may look, too:
 * what then changes anything fails by itself.
 */
export async function rememberIfAllowed(
  updates: string,
  seen: Seen,
  check: boolean,
  remember = rememberLatest,
): Promise<void> {
  try {
    await remember(updates, seen);
  } catch (error) {
    const forgiven = ["EACCES", "EPERM", "EROFS", ...(check ? ["ENOSPC", "EDQUOT"] : [])];
    if (!forgiven.includes(errnoOf(error) ?? "")) throw error;
  }
}
