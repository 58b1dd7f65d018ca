/** Opens the host repository: finds it, refuses what cannot be copied, and takes a private copy of its metadata. */
import { basename } from "node:path";
import { BangerError } from "../base/base.ts";
import { type ConfigEntry, lastValue } from "./config-file.ts";
import { type GitPlace, runGit } from "./git.ts";
import { type IndexEntry, parseIndex } from "./index-file.ts";
import { type Located, locateWorkTree } from "./locate.ts";
import { checkObjectStore } from "./object-store.ts";
import { printable } from "./printable.ts";
import {
  copySharedIndexes,
  createPrivateGitDir,
  type PrivateGitDir,
  usableExcludesFile,
  writePrivateConfig,
} from "./private-git-dir.ts";
import { readMetadata } from "./read-metadata.ts";
import { type Refs, readRefs } from "./refs.ts";
import { type RepoSettings, readRepoSettings } from "./repo-settings.ts";
import { createScratch, defaultScratchBase, removeScratch } from "./scratch.ts";
import { readUserConfig } from "./user-config.ts";

export interface OpenOptions {
  /** Directory for private scratch directories; default `$XDG_CACHE_HOME/banger/git`. Made when absent. */
  scratchBase?: string;
  signal?: AbortSignal;
}

/** An opened repository: a snapshot of its metadata. Only the fields above `inside` are for other rooms. */
export interface Repository {
  /** Absolute path of the work tree, free of symbolic links. */
  readonly root: string;
  /** Last part of the root: what the copy is called in the guest. */
  readonly name: string;
  /** HEAD's commit, hex. */
  readonly head: string;
  /** Short name of the branch HEAD is on, or undefined when HEAD is detached. */
  readonly branch: string | undefined;
  /** Removes the private scratch directory; idempotent. To be called when the last stream has ended. */
  close(): void;
  readonly inside: RepositoryInside;
}

export interface RepositoryInside {
  at: Located;
  scratch: string;
  place: GitPlace;
  private: PrivateGitDir;
  refs: Refs;
  settings: RepoSettings;
  index: readonly IndexEntry[];
  userConfig: readonly ConfigEntry[];
  /** Work of git's that goes on beside its caller's, until it settles: it never rejects. */
  busy: Set<Promise<void>>;
}

/**
 * Opens the repository around `path`. Starts one git process (which reads the user's configuration, never the
 * repository's), a second one when the index is split or sparse. Throws not_found for a path that is not there,
 * bad_repository with the reason and a hint for what cannot be copied, host_missing without git.
 */
export async function openRepository(path: string, options: OpenOptions = {}): Promise<Repository> {
  options.signal?.throwIfAborted();
  const at = locateWorkTree(path);
  const settings = readRepoSettings(at);
  const refs = readRefs(at.gitDir, at.commonDir);
  if (refs.head.length !== settings.hashBytes * 2) {
    throw new BangerError("bad_repository", "HEAD does not fit the repository's object format", {
      hint: "check the repository with: git fsck",
    });
  }
  const objectDir = checkObjectStore(at.commonDir);
  const scratch = createScratch(options.scratchBase ?? defaultScratchBase());
  try {
    const own = createPrivateGitDir(scratch, at, objectDir, refs, settings);
    const reading = readUserConfig(own.place, at.gitDir, options.signal);
    // Awaited below; a failure meanwhile must not count as unhandled.
    reading.catch(() => {});
    const [index, userConfig] = await Promise.all([readIndex(at, own, settings, options.signal), reading]);
    refuseSubmodules(index);
    const excludes = [settings.entries, userConfig].map((entries) =>
      usableExcludesFile(lastValue(entries, "core", "excludesfile"), at.root),
    );
    writePrivateConfig(own.place, settings, { userConfig, excludesFile: excludes[0] ?? excludes[1] });
    const branch = refs.headRef?.slice("refs/heads/".length);
    const busy = new Set<Promise<void>>();
    return {
      root: at.root,
      name: basename(at.root) || "root",
      head: refs.head,
      branch: branch === undefined ? undefined : Buffer.from(branch, "latin1").toString("utf8"),
      close: () => {
        removeScratch(scratch);
        // A git that is being ended makes the directories anew that it is about to write to.
        for (const work of busy) void work.then(() => removeScratch(scratch));
      },
      inside: { at, scratch, place: own.place, private: own, refs, settings, index, userConfig, busy },
    };
  } catch (error) {
    removeScratch(scratch);
    throw error;
  }
}

async function readIndex(
  at: Located,
  own: PrivateGitDir,
  settings: RepoSettings,
  signal: AbortSignal | undefined,
): Promise<IndexEntry[]> {
  if (own.index === undefined) return [];
  const parsed = parseIndex(own.index, settings.hashBytes);
  if (!parsed.incomplete) return parsed.entries;
  copySharedIndexes(at, own.place.gitDir);
  await runGit(own.place, ["update-index", "--force-write-index"], { signal });
  const full = parseIndex(readMetadata(own.place.indexFile, 2 ** 30) ?? Buffer.alloc(0), settings.hashBytes);
  if (full.incomplete) {
    throw new BangerError(
      "bad_repository",
      "git could not write the repository's sparse or split index in full",
      {
        hint: "turn them off: git sparse-checkout disable; git update-index --no-split-index",
      },
    );
  }
  return full.entries;
}

function refuseSubmodules(index: readonly IndexEntry[]): void {
  const found = index.filter((entry) => entry.mode === 0o160000);
  if (found.length === 0) return;
  const names = found.slice(0, 3).map((entry) => printable(entry.path));
  const more = found.length > 3 ? ` and ${found.length - 3} more` : "";
  throw new BangerError("bad_repository", `the repository has submodules (${names.join(", ")}${more})`, {
    hint: "banger does not copy submodules: name a repository without them, or a submodule's own clone",
  });
}
