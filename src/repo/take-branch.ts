/** A guest's work as a branch of the host's repository: its commits as they are, and one more for what it had not committed. */
import { oneName } from "./baseline.ts";
import { runGit } from "./git.ts";
import { installCommits } from "./install-pack.ts";
import type { Repository } from "./open.ts";
import type { GuestWork } from "./receive.ts";
import { checkBranch, writeBranch } from "./write-branch.ts";

export interface TakeOptions {
  branch: string;
  /** Of the VM, for messages. */
  vm: string;
  /** Also when the branch has commits that would be taken off it. */
  force: boolean;
  signal?: AbortSignal;
}

/** Whether there is anything to take: a guest that was only looked around in has no work. */
export function hasWork({ commits, changes }: GuestWork): boolean {
  return commits > 0 || changes.length > 0;
}

/** Returns the commit that the branch is at now. Throws precondition and leaves all as it was when that would lose commits. */
export async function takeAsBranch(repo: Repository, work: GuestWork, options: TakeOptions): Promise<string> {
  const { signal, vm, branch, force } = options;
  checkBranch(repo, branch);
  const { place } = repo.inside;
  let tip = work.head;
  if (work.uncommitted) {
    const input = Buffer.from(`uncommitted changes of VM ${vm}\n`);
    tip = oneName(await runGit(place, ["commit-tree", "-p", work.head, work.tree], { signal, input }));
  }
  await installCommits(repo, tip, signal);
  await writeBranch(repo, { branch, to: tip, force, because: `pull from VM ${vm}` }, signal);
  return tip;
}
