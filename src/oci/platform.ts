/** Which of an index's images a guest can run. */
import { BangerError } from "../base/base.ts";
import type { Descriptor, ImageConfig, ImageIndex, Platform } from "./documents.ts";

/**
 * amd64's variants are its microarchitecture levels, v1 to v4, and none means v1. What processor a guest will have is not
 * known here: it is the lowest that there is, and v2 at most, which processors have had since 2009, and emulated ones have.
 */
const levels = ["", "v1", "v2"];

function levelOf({ os, architecture, variant }: Platform): number {
  return os === "linux" && architecture === "amd64" ? levels.indexOf(variant ?? "") : -1;
}

function runsHere(platform: Platform): boolean {
  return levelOf(platform) >= 0;
}

/**
 * What to look at, in this order: what says that it is for linux/amd64, else what says nothing, of which its own
 * configuration will tell. Throws precondition when there is neither.
 */
export function candidates({ manifests }: ImageIndex, what: string): Descriptor[] {
  const fitting = manifests
    .flatMap((one) => (one.platform === undefined ? [] : [{ one, level: levelOf(one.platform) }]))
    .filter(({ level }) => level >= 0)
    .sort((a, b) => a.level - b.level)
    .map(({ one }) => one);
  const silent = manifests.filter(({ platform }) => platform === undefined);
  const found = fitting.length > 0 ? fitting : silent;
  if (found.length > 0) return found;
  throw otherPlatform(
    what,
    manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform])),
  );
}

/** Throws precondition for a configuration of another platform: an index may err, and a single manifest says nothing. */
export function checkPlatform(config: ImageConfig, what: string): void {
  if (!runsHere(config)) throw otherPlatform(what, [config]);
}

function otherPlatform(what: string, platforms: readonly Platform[]): BangerError {
  const named = platforms
    // What BuildKit calls its attestations.
    .filter(({ os }) => os !== "unknown")
    .map(({ os, architecture, variant }) => [os, architecture, variant].filter(Boolean).join("/"));
  const there = [...new Set(named)].sort().slice(0, 12).join(", ");
  return new BangerError(
    "precondition",
    `${what} is not there for linux/amd64, but for ${there || "nothing"}`,
    {
      hint: "guests are linux/amd64; take another tag or image",
    },
  );
}
