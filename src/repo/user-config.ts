/** The user's and the system's git configuration: trusted, so git reads it, includes and all. */
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import type { ConfigEntry } from "./config-file.ts";
import { type GitPlace, runGit } from "./git.ts";

const options = { withUserConfig: true, maxOutputBytes: 16 * 1024 * 1024 };

/**
 * Variables of system and user scope, in their order. The git directory in `place` must be a private one; `gitDir` is
 * the repository's own, which `[includeIf "gitdir:~/work/"]` is about: git, which does not know it, leaves those
 * sections out, so they are followed here, with one more git process each.
 */
export async function readUserConfig(
  place: GitPlace,
  gitDir: string,
  signal?: AbortSignal,
): Promise<ConfigEntry[]> {
  const args = ["config", "--list", "-z", "--show-scope", "--show-origin", "--includes"];
  const { stdout } = await runGit(place, args, { ...options, signal });
  const fields = stdout.toString("latin1").split("\0");
  const entries: ConfigEntry[] = [];
  for (let n = 0; n + 2 < fields.length; n += 3) {
    const [scope, origin, text = ""] = fields.slice(n, n + 3);
    if (scope !== "system" && scope !== "global") continue;
    const entry = parseListed(text);
    entries.push(entry);
    if (entry.section !== "includeif" || entry.key !== "path" || entry.subsection === undefined) continue;
    const base = dirname(origin?.replace(/^file:/, "") ?? "/");
    if (!conditionHolds(utf8(entry.subsection), gitDir, base)) continue;
    const file = resolve(base, utf8(entry.value).replace(/^~\//, `${homedir()}/`));
    const included = await runGit(place, ["config", "--list", "-z", "--includes", "--file", file], {
      ...options,
      signal,
      okStatuses: [1, 128], // git, too, passes over an included file that is not there
    });
    for (const line of included.stdout.toString("latin1").split("\0").slice(0, -1))
      entries.push(parseListed(line));
  }
  return entries;
}

/** Whether `gitdir:PATTERN` or `gitdir/i:PATTERN` names this git directory; other conditions never hold here. */
export function conditionHolds(condition: string, gitDir: string, base: string): boolean {
  const [, ignoreCase, text] = /^gitdir(\/i)?:(.+)$/s.exec(condition) ?? [];
  if (text === undefined) return false;
  let pattern = text.replace(/^~\//, `${homedir()}/`).replace(/^\.\//, `${base}/`);
  if (!pattern.startsWith("/")) pattern = `**/${pattern}`;
  if (pattern.endsWith("/")) pattern += "**";
  const source = pattern.replace(/\*\*\/|\*\*|\*|\?|[.+^${}()|[\]\\]/g, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part === "?" ? "[^/]" : `\\${part}`;
  });
  return new RegExp(`^${source}$`, ignoreCase === undefined ? "s" : "si").test(gitDir);
}

/** `section.sub.section.key\nvalue`, or without a value, which means true. */
function parseListed(text: string): ConfigEntry {
  const newline = text.indexOf("\n");
  const name = newline < 0 ? text : text.slice(0, newline);
  const first = name.indexOf(".");
  const last = name.lastIndexOf(".");
  return {
    section: name.slice(0, first),
    subsection: first === last ? undefined : name.slice(first + 1, last),
    key: name.slice(last + 1),
    value: newline < 0 ? "true" : text.slice(newline + 1),
  };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
