/**
 * The commit that stands for a workspace as it was copied: HEAD itself, or, when the work tree has more to it, a commit
 * on top. By it a guest's own changes are told from what was brought.
 */
import { copyFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Entry } from "./changes.ts";
import { type GitPlace, runGit } from "./git.ts";
import type { FileListing } from "./list.ts";
import type { Repository } from "./open.ts";

/** Where it is in the guest. */
export const preparedRef = "refs/banger/prepared";

/** Whether the index holds anything but HEAD's content. */
export async function hasStagedChanges(repo: Repository, signal?: AbortSignal): Promise<boolean> {
  const { status } = await runGit(repo.inside.place, ["diff-index", "--cached", "--quiet", repo.head], {
    signal,
    okStatuses: [1],
  });
  return status === 1;
}

/**
 * The commit's name; its objects are in the repository or beside it, in the private store. Nothing of the repository is
 * written to: the private index and store are. Content that git would filter (LFS) counts as it is in the work tree.
 */
export async function makeBaseline(
  repo: Repository,
  listing: FileListing,
  staged: boolean,
  signal?: AbortSignal,
): Promise<string> {
  const { gone, present } = listing.changed;
  const untracked = listing.untracked.map(({ path }) => path);
  if (!staged && gone.length + present.length + untracked.length === 0) return repo.head;
  const place = aside(repo, "index.baseline");
  try {
    await updateIndex(place, { present: [...present, ...untracked], gone }, signal);
  } catch (error) {
    // Somebody is changing the work tree at this moment. What is copied is then whatever it was; HEAD is as near to it as anything.
    if (error instanceof BangerError && error.code === "bad_repository") return repo.head;
    throw error;
  }
  const tree = oneName(await runGit(place, ["write-tree"], { signal }));
  const input = Buffer.from("banger: the work tree as it was copied\n");
  return oneName(await runGit(place, ["commit-tree", "-p", repo.head, tree], { signal, input }));
}

/** The same place with an index of its own to work on: the private one is still to be packed as it is. */
export function aside(repo: Repository, name: string): GitPlace {
  const { place } = repo.inside;
  const indexFile = join(place.gitDir, name);
  rmSync(indexFile, { force: true });
  const found = statSync(place.indexFile, { throwIfNoEntry: false });
  if (found !== undefined) {
    copyFileSync(place.indexFile, indexFile);
    utimesSync(indexFile, found.mtime, found.mtime);
  }
  return { ...place, indexFile };
}

/** Brings an index to what the work tree has under these names. `gone` ones are not looked at. */
export async function updateIndex(
  place: GitPlace,
  { present, gone }: { present: readonly Buffer[]; gone: readonly Buffer[] },
  signal?: AbortSignal,
): Promise<void> {
  const lines = (paths: readonly Buffer[]) =>
    Buffer.concat(paths.flatMap((path) => [path, Buffer.from("\0")]));
  if (gone.length > 0) {
    await runGit(place, ["update-index", "-z", "--force-remove", "--stdin"], { signal, input: lines(gone) });
  }
  if (present.length > 0) {
    const args = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
    await runGit(place, args, { signal, input: lines(present) });
  }
}

/** Has an index say this of these names, whatever it said before; undefined: there is none. */
export async function setEntries(
  repo: Repository,
  place: GitPlace,
  items: readonly { path: Buffer; entry: Entry | undefined }[],
  signal?: AbortSignal,
): Promise<void> {
  if (items.length === 0) return;
  const record = (what: string, path: Buffer) => [Buffer.from(`${what}\t`), path, Buffer.from("\0")];
  const none = "0".repeat(repo.inside.settings.hashBytes * 2);
  // First all that is to go: a file may take the place of a directory.
  const gone = items.flatMap(({ path }) => record(`0 ${none}`, path));
  const there = items.flatMap(({ path, entry }) =>
    entry === undefined ? [] : record(`${entry.mode.toString(8)} ${entry.oid} 0`, path),
  );
  const input = Buffer.concat([...gone, ...there]);
  await runGit(place, ["update-index", "-z", "--index-info"], { signal, input });
}

/** The object name that git printed. */
export function oneName({ stdout }: { stdout: Buffer }): string {
  const line = stdout.toString("latin1").split("\n")[0] ?? "";
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(line)) return line;
  throw new BangerError("operation_failed", "git did not say the name of what it made");
}

export async function treeOf(repo: Repository, commit: string, signal?: AbortSignal): Promise<string> {
  return oneName(await runGit(repo.inside.place, ["rev-parse", "--verify", `${commit}^{tree}`], { signal }));
}
