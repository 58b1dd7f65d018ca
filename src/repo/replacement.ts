/** How a guest's workspace becomes the host's: what is lost by it, what need not travel, what must go first. */
import { type Entry, sameEntry } from "./changes.ts";
import { runGit } from "./git.ts";
import { splitNul } from "./list.ts";
import type { Repository } from "./open.ts";
import type { PackedWorkspace } from "./pack.ts";
import { type GuestState, lostByReplacing } from "./replaceable.ts";

export interface Replacement {
  /** Names, safe for a terminal, of what the guest alone has. */
  lost: string[];
  /**
   * What is to be removed there before the tar comes: NUL-ended records, "f" and a file's name, then "d" and that of a directory
   * which may have become empty, the deepest first.
   */
  removals: Buffer;
}

/**
 * From now on `packed` has only what the guest does not have already: its stream must not have been read yet. `hasIncluded`: the
 * guest was given the included files before, the very same.
 */
export async function planReplacement(
  repo: Repository,
  packed: PackedWorkspace,
  state: GuestState,
  { hasIncluded, signal }: { hasIncluded: boolean; signal?: AbortSignal },
): Promise<Replacement> {
  const { lost, onBothSides } = await lostByReplacing(repo, state, signal);
  const { listing } = packed;
  const coming = await filesOf(repo, packed.baseline, signal);
  const copied = new Set<string>();
  const same = new Set<string>();
  for (const { path } of [...listing.tracked, ...listing.untracked, ...listing.included]) {
    const name = path.toString("latin1");
    copied.add(name);
    const there = state.files.get(name);
    if (there !== undefined && sameEntry(there, coming.get(name))) same.add(name);
  }
  // Ignored there, so they have stayed.
  if (hasIncluded) for (const { path } of listing.included) same.add(path.toString("latin1"));
  packed.leaveOut(same);
  // What came from there and is not tracked here does not travel, and is not to be missed there either.
  const stays = (name: string) => listing.commit === undefined && onBothSides.has(name);
  const gone = [...state.files.keys()].filter((name) => !copied.has(name) && !stays(name));
  return { lost, removals: removalsOf(gone) };
}

async function filesOf(repo: Repository, commit: string, signal?: AbortSignal): Promise<Map<string, Entry>> {
  const { stdout } = await runGit(repo.inside.place, ["ls-tree", "-r", "-z", commit], { signal });
  const files = new Map<string, Entry>();
  for (const record of splitNul(stdout)) {
    const tab = record.indexOf(9);
    const [mode = "", , oid = ""] = record.toString("latin1", 0, tab).split(" ");
    files.set(record.toString("latin1", tab + 1), { mode: Number.parseInt(mode, 8), oid });
  }
  return files;
}

function removalsOf(names: readonly string[]): Buffer {
  const directories = new Set<string>();
  for (const name of names) {
    for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1))
      directories.add(name.slice(0, at));
  }
  // A longer name of the same beginning is deeper.
  const deepest = [...directories].sort((a, b) => (a < b ? 1 : -1));
  const records = [...names.map((name) => `f${name}\0`), ...deepest.map((name) => `d${name}\0`)];
  return Buffer.from(records.join(""), "latin1");
}
