/** Files at a repository's root that tell mise which tools it needs, as far as they travel. */
import type { FileListing } from "../../repo/repo.ts";

const names = new Set(["mise.toml", ".mise.toml", ".tool-versions", ".config/mise.toml", "mise/config.toml"]);
const longest = Math.max(...[...names].map((name) => name.length));

export function toolFilesOf({ tracked, untracked, included }: FileListing): string[] {
  const found: string[] = [];
  for (const { path } of [...tracked, ...untracked, ...included]) {
    // Most of the thousands are left out before they are text.
    if (path.length <= longest && names.has(path.toString())) found.push(path.toString());
  }
  return found;
}
