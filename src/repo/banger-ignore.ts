/** .bangerignore: patterns, in git's own syntax, for what of a repository does not travel. Git matches them. */
import { runGit } from "./git.ts";
import { type ListOptions, splitNul } from "./list.ts";
import type { Repository } from "./open.ts";

export const ignoreFile = Buffer.from(".bangerignore");

export interface Ignored {
  /** In the index's order. */
  tracked: Buffer[];
  /** Latin-1. */
  untracked: ReadonlySet<string>;
}

/** Patterns of a .bangerignore hold below the directory it is in. */
export async function bangerIgnored(
  repo: Repository,
  { includeUntracked, signal }: Pick<ListOptions, "includeUntracked" | "signal">,
): Promise<Ignored> {
  const args = ["ls-files", "-z", "--ignored", `--exclude-per-directory=${ignoreFile}`];
  const list = async (kind: "--cached" | "--others") => [
    ...splitNul((await runGit(repo.inside.place, [...args, kind], { signal })).stdout),
  ];
  const [tracked, untracked] = await Promise.all([
    list("--cached"),
    includeUntracked ? list("--others") : [],
  ]);
  return { tracked, untracked: new Set(untracked.map((path) => path.toString("latin1"))) };
}
