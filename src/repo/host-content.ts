/** What the work tree has now under some names, as git would take it: mode and object name, without touching the index. */
import { readFileSync } from "node:fs";
import { aside, updateIndex } from "./baseline.ts";
import type { Entry } from "./changes.ts";
import type { GitPlace } from "./git.ts";
import { parseIndex } from "./index-file.ts";
import { Looker } from "./look.ts";
import type { Repository } from "./open.ts";

export interface HostContent {
  /** By the name in Latin-1; absent when there is no such file. */
  entries: Map<string, Entry>;
  /** A place whose index has these files as they are now, the rest as the repository's index has it. */
  place: GitPlace;
}

export async function hostContent(
  repo: Repository,
  paths: readonly Buffer[],
  signal?: AbortSignal,
): Promise<HostContent> {
  const place = aside(repo, "index.now");
  const look = new Looker(repo);
  const present: Buffer[] = [];
  const gone: Buffer[] = [];
  // What a sparse checkout leaves out is as the index has it.
  const sparse = repo.inside.index.filter(({ skipWorktree, stage }) => skipWorktree && stage === 0);
  const leftOut = new Set(sparse.map(({ path }) => path.toString("latin1")));
  for (const path of paths) {
    if (look.file(path, undefined) !== undefined) present.push(path);
    else if (!leftOut.has(path.toString("latin1"))) gone.push(path);
  }
  // What is gone first: a file may have taken the place of its directory.
  await updateIndex(place, { present, gone }, signal);
  const wanted = new Set(paths.map((path) => path.toString("latin1")));
  const entries = new Map<string, Entry>();
  if (paths.length > 0) {
    for (const entry of parseIndex(readFileSync(place.indexFile), repo.inside.settings.hashBytes).entries) {
      const name = entry.path.toString("latin1");
      if (entry.stage === 0 && wanted.has(name))
        entries.set(name, { mode: entry.mode, oid: entry.oid.toString("hex") });
    }
  }
  return { entries, place };
}
