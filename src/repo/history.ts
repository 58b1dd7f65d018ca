/** Which history travels, and the pack that holds it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runGit } from "./git.ts";
import { type GuestHistory, upstreamRef } from "./guest-git.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";
import { branchNameProblem, conflictingRef } from "./refs.ts";

export interface BranchOptions {
  /** A branch to make in the guest, and to be on there. */
  branch?: string;
  /** The commit to start it from; default HEAD. */
  from?: string;
}

/** The new branch's full name, or undefined when none is asked for. Throws bad_request or already_exists. */
export function planBranch(repo: Repository, options: BranchOptions): string | undefined {
  const { branch, from } = options;
  if (branch === undefined) {
    if (from === undefined) return undefined;
    throw new BangerError("bad_request", "a start commit needs a branch to start", {
      hint: "add --branch NAME",
    });
  }
  const problem = branchNameProblem(branch);
  const shown = printable(Buffer.from(branch));
  if (problem !== undefined) {
    throw new BangerError("bad_request", `${shown} is no branch name: ${problem}`, {
      hint: "see: git help check-ref-format",
    });
  }
  const ref = `refs/heads/${Buffer.from(branch, "utf8").toString("latin1")}`;
  const other = conflictingRef(repo.inside.refs, ref);
  if (other === undefined) return ref;
  const name = printable(Buffer.from(other.slice("refs/heads/".length), "latin1"));
  throw new BangerError(
    "already_exists",
    `the branch ${name} exists${other === ref ? "" : `, so ${shown} cannot`}`,
    {
      hint: "choose another name; the branch is made in the guest only",
    },
  );
}

/**
 * References for the guest: the branch to be on, the host's current branch, its upstream and the tags, the latter two
 * where HEAD's history contains them. One git process, which also proves that the commit is there.
 */
export async function selectHistory(
  repo: Repository,
  commit: string,
  newRef: string | undefined,
  from: string | undefined,
  signal?: AbortSignal,
): Promise<GuestHistory> {
  const { place, refs: all } = repo.inside;
  const upstream = upstreamRef(repo.inside);
  const patterns = ["refs/tags", ...(upstream === undefined ? [] : [upstream])];
  const format = "--format=%(objectname) %(refname)";
  const { stdout } = await runGit(place, ["for-each-ref", `--merged=${commit}`, format, ...patterns], {
    signal,
  });
  const refs = new Map<string, string>();
  for (const line of stdout.toString("latin1").split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) refs.set(line.slice(space + 1), line.slice(0, space));
  }
  if (all.headRef !== undefined) refs.set(all.headRef, all.head);
  if (from !== undefined) {
    const latin = Buffer.from(from, "utf8").toString("latin1");
    for (const name of [latin, `refs/tags/${latin}`, `refs/heads/${latin}`, `refs/remotes/${latin}`]) {
      const oid = all.byName.get(name);
      if (oid !== undefined) refs.set(name, oid);
    }
  }
  if (newRef !== undefined) refs.set(newRef, commit);
  return { headRef: newRef ?? all.headRef, headOid: commit, refs };
}

/**
 * Packs everything reachable from the references, and what the index holds beyond them, into `dir`, which must be empty.
 * Deltas are reused, none are searched: the pack is read once, soon. Resolves with the paths of .pack and .idx.
 */
export async function packHistory(
  repo: Repository,
  history: GuestHistory,
  withIndex: boolean,
  dir: string,
  signal: AbortSignal,
): Promise<{ pack: string; idx: string }[]> {
  const { place, settings } = repo.inside;
  const tips = new Set([history.headOid, ...history.refs.values()]);
  const args = ["pack-objects", "--revs", "--window=0", "--delta-base-offset", "-q"];
  if (withIndex) args.push("--indexed-objects");
  // A partial clone lacks objects on purpose; elsewhere a missing one is damage.
  if (settings.promisorRemote !== undefined) args.push("--missing=allow-any");
  await runGit(place, [...args, join(dir, "pack")], {
    signal,
    input: Buffer.from([...tips].map((oid) => `${oid}\n`).join("")),
  });
  return readdirSync(dir)
    .filter((name) => /^pack-[0-9a-f]+\.pack$/.test(name))
    .map((name) => ({ pack: join(dir, name), idx: join(dir, name.replace(/pack$/, "idx")) }));
}
