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

/** Whether the branch has moved by it. Throws precondition and leaves all as it was when that would lose commits. */
export async function takeAsBranch(
  repo: Repository,
  work: GuestWork,
  options: TakeOptions,
): Promise<{ moved: boolean }> {
  const { signal, vm, branch, force } = options;
  checkBranch(repo, branch);
  const old = repo.inside.refs.byName.get(`refs/heads/${branch}`);
  const tip = work.uncommitted ? await uncommittedTip(repo, work, old, options) : work.head;
  if (tip === old) return { moved: false };
  await installCommits(repo, tip, signal);
  await writeBranch(repo, { branch, to: tip, force, because: `pull from VM ${vm}` }, signal);
  return { moved: true };
}

/** A commit names the time when it was made: the same work, taken again, is the commit that is there. */
async function uncommittedTip(
  { inside: { place } }: Repository,
  work: GuestWork,
  old: string | undefined,
  { vm, signal }: TakeOptions,
): Promise<string> {
  if (old !== undefined) {
    const asked = await runGit(place, ["rev-list", "--no-walk", "--parents", "--format=%T", old], { signal });
    const [commit, tree] = asked.stdout.toString("latin1").trim().split("\n");
    if (commit === `commit ${old} ${work.head}` && tree === work.tree) return old;
  }
  const input = Buffer.from(`uncommitted changes of VM ${vm}\n`);
  return oneName(await runGit(place, ["commit-tree", "-p", work.head, work.tree], { signal, input }));
}
