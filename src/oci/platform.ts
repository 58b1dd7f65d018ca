/** Which of an index's images a guest can run. */
import { BangerError } from "../base/base.ts";
import type { Descriptor, ImageConfig, ImageIndex, Platform } from "./documents.ts";

/**
 * amd64's variants are its microarchitecture levels, v1 to v4, and none means v1. What processor a guest will have is not
 * known here, so it is the one that runs on all of them; as containerd has it for a platform named without a variant.
 */
function runsHere({ os, architecture, variant }: Platform): boolean {
  return os === "linux" && architecture === "amd64" && ["", "v1"].includes(variant ?? "");
}

/**
 * What to look at, in this order: what says that it is for linux/amd64, else what says nothing, of which its own
 * configuration will tell. Throws precondition when there is neither.
 */
export function candidates({ manifests }: ImageIndex, what: string): Descriptor[] {
  const fitting = manifests.filter(({ platform }) => platform !== undefined && runsHere(platform));
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
