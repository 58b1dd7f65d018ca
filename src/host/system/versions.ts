/** Versions of banger side by side, and the link to one of them: config/installed.ts says where they lie. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type InstalledPlace, programOf } from "../../config/installed.ts";
import { removeDirectory } from "./directories.ts";
import { keep, put } from "./put.ts";

/** From its return on, also after a power cut, the link leads to that version; before that, to the one before. */
export async function pointTo(place: InstalledPlace, name: string): Promise<void> {
  await put(place.link, { kind: "symlink", to: programOf(place, name) });
  await keep(place.link);
}

/** A file of root's that all may read, in one step. */
export async function rewrite(path: string, text: string): Promise<void> {
  await put(path, { kind: "text", text, mode: 0o644 });
  await keep(path);
}

/** Removes all versions but these, with what was staged of others. Who runs one goes on with it. */
export async function removeOtherVersions(versions: string, ...kept: readonly string[]): Promise<void> {
  for (const name of await readdir(versions).catch(() => []))
    if (!kept.includes(name)) await removeDirectory(join(versions, name));
}
