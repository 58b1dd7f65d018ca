/**
 * A guest's changes in the host's work tree, by a three-way merge: what was copied into the guest, what is here now, what the guest
 * has now. The repository's index and commits stay as they are.
 *
 * Nothing is lost: where this side has an edit that is in no commit and the guest has another one, nothing at all is done. Git
 * checks all files before it touches one (read-tree), writes none through a link and none of the names that are git's own.
 */

import { BangerError } from "../base/base.ts";
import { aside, oneName, setEntries } from "./baseline.ts";
import { type Change, type Entry, sameEntry } from "./changes.ts";
import { type GitPlace, runGit } from "./git.ts";
import { hostContent } from "./host-content.ts";
import { type KeptPatch, keepPatch } from "./keep-patch.ts";
import { Looker } from "./look.ts";
import { mergeFiles, mergeOne } from "./merge-files.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";
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
  if (repo.inside.index.some(({ stage }) => stage > 0)) {
    throw new BangerError("precondition", `${repo.root} has conflicts of a merge that is not finished`, {
      hint: "finish it, or give it up, and pull again; as a branch it works now: leave out --apply",
    });
  }
  const paths = work.changes.map(({ path }) => path);
  const { entries, place } = await hostContent(repo, paths, signal);
  const here = (change: Change) => entries.get(change.path.toString("latin1"));
  const uncommitted = await differingFromHead(repo, place, signal);
  const isUncommitted = ({ path }: Change) => uncommitted.has(path.toString("latin1"));
  const inTheWay = new Obstacles(repo, work.changes);
  const wanted: Change[] = [];
  const overlap: Change[] = [];
  for (const change of work.changes) {
    const ours = here(change);
    if (sameEntry(ours, change.after)) continue;
    const unsafe = isUncommitted(change) && !sameEntry(ours, change.before);
    if (unsafe && (await hasAlready(repo, place, change, ours, signal))) continue;
    wanted.push(change);
    if (unsafe || inTheWay.has(change)) overlap.push(change);
  }
  const patch = await keepPatch(repo, { from: work.prepared, to: work.tree }, vm, signal);
  if (overlap.length > 0) {
    return { kind: "overlap", files: overlap.map(({ path }) => path), patch: patch.path };
  }
  const edits = wanted.filter(isUncommitted).map((change) => ({ path: change.path, entry: here(change) }));
  const before = await keepEdits(repo, edits, vm, signal).catch((error: unknown) => {
    patch.remove();
    throw error;
  });
  const { marked, left } = await merge(repo, place, work, { vm, patches: [patch, before], signal });
  before?.remove();
  const keep = marked.length + left.length > 0 || edits.length > 0;
  if (!keep) patch.remove();
  const stayed = new Set(left.map((path) => path.toString("latin1")));
  const files = wanted.map(({ path }) => path).filter((path) => !stayed.has(path.toString("latin1")));
  return { kind: "applied", files, marked, left, patch: keep ? patch.path : undefined };
}

/** Whether the file here is what a merge would make of it: it was applied before. */
async function hasAlready(
  repo: Repository,
  place: GitPlace,
  { before: base, after: theirs }: Change,
  ours: Entry | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  const merged = await mergeOne(repo, place, { base, ours, theirs }, { vm: "", signal });
  return merged !== undefined && !merged.conflicts && merged.oid === ours?.oid && merged.mode === ours.mode;
}

/** What is in no commit and will be overwritten, as a patch on HEAD: a disk may be full by then, or banger killed. */
async function keepEdits(
  repo: Repository,
  edits: readonly { path: Buffer; entry: Entry | undefined }[],
  vm: string,
  signal?: AbortSignal,
): Promise<KeptPatch | undefined> {
  if (edits.length === 0) return undefined;
  const place = aside(repo, "index.before");
  await runGit(place, ["read-tree", repo.head], { signal });
  await setEntries(repo, place, edits, signal);
  const to = oneName(await runGit(place, ["write-tree"], { signal }));
  return keepPatch(repo, { from: repo.head, to }, `${vm}-before`, signal);
}

/**
 * The merge, by an index of its own, then all of it in the work tree at once: git looks at every file, whether it is still as it
 * was read, before it touches the first.
 */
async function merge(
  repo: Repository,
  place: GitPlace,
  work: GuestWork,
  options: { vm: string; patches: readonly (KeptPatch | undefined)[]; signal: AbortSignal | undefined },
): Promise<{ marked: Buffer[]; left: Buffer[] }> {
  const { vm, patches, signal } = options;
  const ours = oneName(await runGit(place, ["write-tree"], { signal }));
  const planned = aside(repo, "index.merge");
  try {
    const sides = [`${work.prepared}^{tree}`, ours, work.tree];
    await runGit(planned, ["read-tree", ours], { signal });
    await runGit(planned, ["read-tree", "-i", "-m", "--aggressive", ...sides], { signal });
    const { tree, marked, left } = await mergeFiles(repo, planned, vm, signal);
    await runGit(place, ["read-tree", "-m", "-u", ours, tree], { signal });
    return { marked, left };
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "bad_repository") throw error;
    const [changes, edits] = patches.map((patch) => printable(Buffer.from(patch?.path ?? "")));
    const before = edits === "" ? "" : `; and so are the edits that were in no commit here: ${edits}`;
    throw new BangerError("precondition", `the changes do not fit into the working tree: ${error.message}`, {
      hint: `they are kept as a patch: ${changes}${before}`,
      cause: error,
    });
  }
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
