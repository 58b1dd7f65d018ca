/** A guest's changes as a patch file beside the repository's own data, before anything is done with them. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runGit } from "./git.ts";
import { createFile, insideGitDir, piecesOf } from "./git-dir-writer.ts";
import type { Repository } from "./open.ts";
import type { GuestWork } from "./receive.ts";

const mostTries = 1000;

/** `path` is where it is: `.git/banger/VM.patch`, or with a number where there is one already. */
export async function keepPatch(
  repo: Repository,
  work: GuestWork,
  vm: string,
  signal?: AbortSignal,
): Promise<{ path: string; remove(): void }> {
  const { place, scratch, at } = repo.inside;
  const file = join(scratch, "work.patch");
  rmSync(file, { force: true });
  const args = ["diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", `--output=${file}`];
  await runGit(place, [...args, work.prepared, work.tree], { signal });
  const path = insideGitDir(at.gitDir, ["banger"], (dir) => {
    for (let n = 1; n <= mostTries; n += 1) {
      const name = n === 1 ? `${vm}.patch` : `${vm}-${n}.patch`;
      if (createFile(`${dir}/${name}`, piecesOf(file))) return join(at.gitDir, "banger", name);
    }
    throw new BangerError("bad_repository", `there are ${mostTries} patches of VM ${vm} already`, {
      hint: `look at them, then: rm ${join(at.gitDir, "banger", `${vm}-*.patch`)}`,
    });
  });
  return { path, remove: () => rmSync(path, { force: true }) };
}
