/** What building an image needs beside its programs: subordinate ids, user namespaces, a mirror and its keyring. */
import { debianMirror } from "../../apt/apt.ts";
import { toBangerError } from "../../base/base.ts";
import { type NamespaceObstacle, namespaceObstacle } from "../../image/image.ts";
import type { Place } from "../place.ts";
import { readSettings } from "./settings.ts";

export interface BuildFacts {
  /** `as root`: root builds without a namespace of its own. */
  namespace: "works" | "as root" | NamespaceObstacle;
  mirror: { archive: string } | { reason: string; keyring: boolean };
}

export async function lookAtBuilds(place: Place, signal: AbortSignal): Promise<BuildFacts> {
  const { config } = await readSettings(place);
  return {
    namespace: place.uid === 0 ? "as root" : ((await namespaceObstacle(place.user, signal)) ?? "works"),
    mirror: mirrorOf(config.debian_mirror),
  };
}

function mirrorOf(configured: string | undefined): BuildFacts["mirror"] {
  try {
    return { archive: debianMirror(configured).archive };
  } catch (error) {
    const { message } = toBangerError(error);
    return { reason: message, keyring: !message.includes("keyring") };
  }
}
