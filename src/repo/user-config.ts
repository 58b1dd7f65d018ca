/** The user's and the system's git configuration: trusted, so git reads it, includes and all. */
import type { ConfigEntry } from "./config-file.ts";
import { type GitPlace, runGit } from "./git.ts";

/** Variables of system and user scope, in their order. The git directory in `place` must be a private one. */
export async function readUserConfig(place: GitPlace, signal?: AbortSignal): Promise<ConfigEntry[]> {
  const { stdout } = await runGit(place, ["config", "--list", "-z", "--show-scope", "--includes"], {
    signal,
    withUserConfig: true,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  const fields = stdout.toString("latin1").split("\0");
  const entries: ConfigEntry[] = [];
  for (let n = 0; n + 1 < fields.length; n += 2) {
    const scope = fields[n] ?? "";
    if (scope !== "system" && scope !== "global") continue;
    const text = fields[n + 1] ?? "";
    const newline = text.indexOf("\n");
    const name = newline < 0 ? text : text.slice(0, newline);
    const first = name.indexOf(".");
    const last = name.lastIndexOf(".");
    entries.push({
      section: name.slice(0, first),
      subsection: first === last ? undefined : name.slice(first + 1, last),
      key: name.slice(last + 1),
      value: newline < 0 ? "true" : text.slice(newline + 1),
    });
  }
  return entries;
}
