/** Whether there is room: said before minutes of work, not after. */
import { mkdir } from "node:fs/promises";
import { BangerError, formatBytes } from "../../base/base.ts";
import type { Paths } from "../../config/paths.ts";
import { freeSpace } from "../../disk/disk.ts";

export type RoomPaths = Pick<Paths, "state" | "largerState" | "cache">;

/** Throws no_space when `where` has no room for `bytes`, which `what` needs. */
export async function needRoom(
  { state, largerState, cache }: RoomPaths,
  where: "cache" | "store",
  bytes: number,
  what: string,
): Promise<void> {
  const place = where === "cache" ? cache : state;
  await mkdir(place, { recursive: true, mode: 0o700 });
  const free = (await freeSpace(place)).bytes;
  if (free >= bytes) return;
  throw new BangerError(
    "no_space",
    `${what} needs ${formatBytes(bytes)}, but ${place} has ${formatBytes(free)} free`,
    {
      hint:
        where === "store"
          ? `free some space, or ${largerState}`
          : "free some space: banger image cache prune",
    },
  );
}
