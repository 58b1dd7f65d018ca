/** What building an image needs beside its programs: subordinate ids, user namespaces, a mirror and its keyring. */
import { debianMirror } from "../../apt/apt.ts";
import { toBangerError } from "../../base/base.ts";
import { type NamespaceObstacle, namespaceObstacle } from "../../image/image.ts";
import type { Place } from "../place.ts";
import { readSettings } from "./settings.ts";

export interface BuildFacts {
  /** `as root`: root builds without a namespace of its own; the services build as their owner, whom root cannot try it for. */
  namespace: "works" | "as root" | "owner's" | NamespaceObstacle;
  mirror: { archive: string } | { reason: string; keyring: boolean };
}

export async function lookAtBuilds(place: Place, signal: AbortSignal): Promise<BuildFacts> {
  const { config } = await readSettings(place);
  return {
    namespace: await namespaceOf(place, signal),
    mirror: mirrorOf(config.debian_mirror),
  };
}

async function namespaceOf(
  { uid, mode, user }: Place,
  signal: AbortSignal,
): Promise<BuildFacts["namespace"]> {
  if (uid === 0) return mode === "system" ? "owner's" : "as root";
  return (await namespaceObstacle(user, signal)) ?? "works";
}

function mirrorOf(configured: string | undefined): BuildFacts["mirror"] {
  try {
    return { archive: debianMirror(configured).archive };
  } catch (error) {
    const { message, details } = toBangerError(error);
    return { reason: message, keyring: details?.missing !== "keyring" };
  }
}
