/** Whether the banger that is installed is one of a piece: an update that was cut off, and units of another version. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { commit, version } from "../../base/version.ts";
import { installedPlace } from "../../config/config.ts";
import { systemPlaces, unitTexts } from "../../host/host.ts";
import type { Place } from "../place.ts";

export interface UpdateFacts {
  /** As `banger update` writes it down before it changes anything. */
  pending: { path: string; exists: boolean };
  /** Unit files that are not as this build would write them; only where this very build is the installed one. */
  otherUnits: string[];
}

export async function lookAtUpdate({ mode, install }: Place): Promise<UpdateFacts> {
  const places = systemPlaces();
  const own = installedPlace(process.execPath);
  const updates = mode === "system" || own === undefined ? places.updates : join(own.library, "updates");
  const path = join(updates, "pending.json");
  const ours = install?.version === version && install.commit === commit;
  const texts = install === undefined || !ours ? [] : Object.entries(unitTexts(install.owner));
  return {
    pending: { path, exists: existsSync(path) },
    otherUnits: texts
      .map(([name, text]) => ({ path: places.units[name as keyof typeof places.units], text }))
      .filter(({ path, text }) => textOf(path) !== text)
      .map(({ path }) => path),
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // That it is not there is for the check of services to say.
    return undefined;
  }
}
