/** Changes as a patch file beside the repository's own data, before anything is done with them. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runGit } from "./git.ts";
import { createFile, hasContent, insideGitDir, piecesOf } from "./git-dir-writer.ts";
import type { Repository } from "./open.ts";

const mostTries = 1000;

export interface KeptPatch {
  path: string;
  remove(): void;
}

/**
 * From one tree to another, as `.git/banger/NAME.patch`, or with a number where there is another one already. The very same, which
 * an earlier try has left and told of, is taken as it is, and stays.
 */
export async function keepPatch(
  repo: Repository,
  { from, to }: { from: string; to: string },
  name: string,
  signal?: AbortSignal,
): Promise<KeptPatch> {
  const { place, scratch, at } = repo.inside;
  const file = join(scratch, "work.patch");
  rmSync(file, { force: true });
  const args = ["diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", `--output=${file}`];
  await runGit(place, [...args, from, to], { signal });
  const { kept, isOurs } = insideGitDir(at.gitDir, ["banger"], (dir) => {
    for (let n = 1; n <= mostTries; n += 1) {
      const each = n === 1 ? `${name}.patch` : `${name}-${n}.patch`;
      const kept = join(at.gitDir, "banger", each);
      if (createFile(`${dir}/${each}`, piecesOf(file))) return { kept, isOurs: true };
      if (hasContent(`${dir}/${each}`, file)) return { kept, isOurs: false };
    }
    throw new BangerError("bad_repository", `there are ${mostTries} patches of VM ${name} already`, {
      hint: `look at them, then: rm ${join(at.gitDir, "banger", `${name}-*.patch`)}`,
    });
  });
  return { path: kept, remove: () => isOurs && rmSync(kept, { force: true }) };
}
