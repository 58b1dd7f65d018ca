/**
 * A guest's changes in the host's work tree, by a three-way merge: what was copied into the guest, what is here now, what the guest
 * has now. The repository's index and commits stay as they are.
 *
 * Nothing is lost: where this side has an edit that is in no commit and the guest has another one, nothing at all is done. Git
 * checks all files before it touches one (read-tree), writes none through a link and none of the names that are git's own.
 */

import { oneName } from "./baseline.ts";
import type { Change, Entry } from "./changes.ts";
import { sameEntry } from "./changes.ts";
import { type GitPlace, runGit } from "./git.ts";
import { hostContent } from "./host-content.ts";
import { keepPatch } from "./keep-patch.ts";
import { Looker } from "./look.ts";
import { mergeFiles } from "./merge-files.ts";
import type { Repository } from "./open.ts";
import type { GuestWork } from "./receive.ts";

export type Applied =
  /** Nothing was touched: these have edits here that are in no commit. */
  | { kind: "overlap"; files: Buffer[]; patch: string }
  | {
      kind: "applied";
      files: Buffer[];
      /** Of these: both sides, with marks in the file. */
      marked: Buffer[];
      /** Not of these: they are as they were here. */
      left: Buffer[];
      /** The guest's changes as a file, where not everything is in the work tree, or edits of here were changed on. */
      patch: string | undefined;
    };

export async function applyWork(
  repo: Repository,
  work: GuestWork,
  options: { vm: string; signal?: AbortSignal },
): Promise<Applied> {
  const { signal, vm } = options;
  const paths = work.changes.map(({ path }) => path);
  const { entries, place } = await hostContent(repo, paths, signal);
  const here = (change: Change) => entries.get(change.path.toString("latin1"));
  const wanted = work.changes.filter((change) => !sameEntry(here(change), change.after));
  const uncommitted = await differingFromHead(repo, place, signal);
  const isUncommitted = ({ path }: Change) => uncommitted.has(path.toString("latin1"));
  const inTheWay = new Obstacles(repo, work.changes);
  const overlap = wanted.filter(
    (change) => inTheWay.has(change) || (isUncommitted(change) && !sameEntry(here(change), change.before)),
  );
  const patch = await keepPatch(repo, work, vm, signal);
  if (overlap.length > 0) {
    return { kind: "overlap", files: overlap.map(({ path }) => path), patch: patch.path };
  }
  const base = { tree: `${work.prepared}^{tree}`, theirs: work.tree };
  const ours = oneName(await runGit(place, ["write-tree"], { signal }));
  const args = ["read-tree", "-m", "-u", "--aggressive", base.tree, ours, base.theirs];
  await runGit(place, args, { signal });
  const { marked, left } = await mergeFiles(repo, place, vm, signal);
  const keep = marked.length + left.length > 0 || wanted.some(isUncommitted);
  if (!keep) patch.remove();
  const stayed = new Set(left.map((path) => path.toString("latin1")));
  const files = wanted.map(({ path }) => path).filter((path) => !stayed.has(path.toString("latin1")));
  return { kind: "applied", files, marked, left, patch: keep ? patch.path : undefined };
}

/** Names, in Latin-1, that the index of `place` has otherwise than HEAD. */
async function differingFromHead(
  repo: Repository,
  place: GitPlace,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const args = ["diff-index", "--cached", "--name-only", "--no-renames", "-z", repo.head];
  const { stdout } = await runGit(place, args, { signal });
  return new Set(stdout.toString("latin1").split("\0").slice(0, -1));
}

/** What stands where a file is to go and is none: a directory with files of its own, or a file where its directory is to be. */
class Obstacles {
  readonly #look: Looker;
  readonly #going = new Map<string, Entry | undefined>();

  constructor(repo: Repository, changes: readonly Change[]) {
    this.#look = new Looker(repo);
    for (const { path, after } of changes) this.#going.set(path.toString("latin1"), after);
  }

  has({ path, after }: Change): boolean {
    if (after === undefined) return false;
    // A directory in its place: git removes it when the guest's changes empty it, and says so when they do not.
    for (let at = path.indexOf(0x2f); at >= 0; at = path.indexOf(0x2f, at + 1)) {
      const above = path.subarray(0, at);
      const stat = this.#look.stat(above);
      if (stat === undefined) return false;
      if (stat.isDirectory()) continue;
      const name = above.toString("latin1");
      return !(this.#going.has(name) && this.#going.get(name) === undefined);
    }
    return false;
  }
}
