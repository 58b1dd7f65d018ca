/** Which files a workspace consists of. */
import { bangerIgnored, type Ignored, ignoreFile } from "./banger-ignore.ts";
import { type CommitFile, listCommit, resolveCommit } from "./commit-tree.ts";
import { runGit } from "./git.ts";
import { includedFiles } from "./include.ts";
import { Looker, type TrackedFiles } from "./look.ts";
import type { Repository } from "./open.ts";

export interface ListOptions {
  /** Also files that git does not track and does not ignore. */
  includeUntracked: boolean;
  /** Files and directories below the root to take as well, whatever git says of them: ignored ones on purpose. */
  include?: readonly string[];
  /**
   * The commit that a guest branch starts from. When it is another commit than HEAD, the workspace is exactly that
   * commit: neither the work tree's edits nor its untracked files belong to it.
   */
  from?: string;
  signal?: AbortSignal;
}

export interface WorkspaceFile {
  /** Relative to the root; bytes, not necessarily UTF-8. */
  path: Buffer;
  kind: "file" | "symlink";
  executable: boolean;
  sizeBytes: number;
}

export interface FileListing {
  /** Sorted by bytes. Tracked files that are not in the work tree are left out: git in the guest shows them deleted. */
  tracked: WorkspaceFile[];
  /** Those that were asked for, by name or all of them. */
  untracked: WorkspaceFile[];
  /** What git ignores and was asked for by name. */
  included: WorkspaceFile[];
  /** Of all that was asked for by name: see include.ts. */
  includedDigest: string | undefined;
  /** How many untracked files stay behind. */
  skippedUntracked: number;
  /** Tracked names that stay behind because .bangerignore says so; git in the guest takes them for unchanged. */
  ignored: Buffer[];
  /** Repositories inside the work tree that git does not track; they stay behind always. */
  nestedRepositories: Buffer[];
  changed: TrackedFiles["changed"];
  /** Set when the workspace is a commit's content and not the work tree's. */
  commit: { oid: string; files: CommitFile[] } | undefined;
}

/** Lists the workspace. Throws bad_repository naming a file that cannot be read, bad_request for an unknown `from`. */
export async function listFiles(repo: Repository, options: ListOptions): Promise<FileListing> {
  options.signal?.throwIfAborted();
  const { place, index } = repo.inside;
  if (options.from !== undefined) {
    const oid = await resolveCommit(repo, options.from, options.signal);
    if (oid !== repo.head) return onlyCommit(oid, await listCommit(repo, oid, options.signal));
  }
  const others = runGit(place, ["ls-files", "-z", "--others", "--exclude-standard"], {
    signal: options.signal,
  });
  // Awaited below; a failure meanwhile must not count as unhandled.
  others.catch(() => {});
  const look = new Looker(repo);
  const ignored: Ignored = hasIgnoreFile(repo, look)
    ? await bangerIgnored(repo, options)
    : { tracked: [], untracked: new Set() };
  const leftOut = new Set(ignored.tracked.map((path) => path.toString("latin1")));
  const { files: tracked, changed } = look.tracked(index, repo.inside.private.indexTimeMs, leftOut);
  const named = includedFiles(repo, look, options.include ?? []);
  const byName = new Map(named.files.map((file) => [file.path.toString("latin1"), file]));
  const untracked: WorkspaceFile[] = [];
  const nestedRepositories: Buffer[] = [];
  let skippedUntracked = 0;
  for (const path of splitNul((await others).stdout)) {
    const key = path.toString("latin1");
    if (path.at(-1) === 0x2f) nestedRepositories.push(path.subarray(0, -1));
    // One that git does not ignore is untracked in the guest as well, however it came to be copied.
    else if (byName.has(key) || (options.includeUntracked && !ignored.untracked.has(key))) {
      const file = byName.get(key) ?? look.file(path, undefined);
      if (file !== undefined) untracked.push(file);
      byName.delete(key);
    } else if (!options.includeUntracked) skippedUntracked += 1;
  }
  const included = [...byName.values()];
  const lists = { tracked, untracked, included, skippedUntracked, nestedRepositories, changed };
  return { ...lists, includedDigest: named.digest, ignored: ignored.tracked, commit: undefined };
}

function onlyCommit(oid: string, files: CommitFile[]): FileListing {
  return {
    ...{
      tracked: files,
      untracked: [],
      included: [],
      includedDigest: undefined,
      skippedUntracked: 0,
      ignored: [],
    },
    ...{ nestedRepositories: [], changed: { present: [], gone: [] }, commit: { oid, files } },
  };
}

/** One at the root: git is asked about those below only then. */
function hasIgnoreFile(repo: Repository, look: Looker): boolean {
  return look.file(ignoreFile, undefined)?.kind === "file" && repo.inside.index.length > 0;
}

export function* splitNul(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}
