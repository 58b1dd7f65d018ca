/** Changes as a patch file beside the repository's own data, before anything is done with them. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runGit } from "./git.ts";
import { createFile, insideGitDir, piecesOf } from "./git-dir-writer.ts";
import type { Repository } from "./open.ts";

const mostTries = 1000;

export interface KeptPatch {
  path: string;
  remove(): void;
}

/** From one tree to another, as `.git/banger/NAME.patch`, or with a number where there is one already. */
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
  const path = insideGitDir(at.gitDir, ["banger"], (dir) => {
    for (let n = 1; n <= mostTries; n += 1) {
      const each = n === 1 ? `${name}.patch` : `${name}-${n}.patch`;
      if (createFile(`${dir}/${each}`, piecesOf(file))) return join(at.gitDir, "banger", each);
    }
    throw new BangerError("bad_repository", `there are ${mostTries} patches of VM ${name} already`, {
      hint: `look at them, then: rm ${join(at.gitDir, "banger", `${name}-*.patch`)}`,
    });
  });
  return { path, remove: () => rmSync(path, { force: true }) };
}
