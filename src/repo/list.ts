/** Which files a workspace consists of. */
import { accessSync, constants, lstatSync, type Stats } from "node:fs";
import { type CommitFile, listCommit, resolveCommit } from "./commit-tree.ts";
import { runGit } from "./git.ts";
import type { IndexEntry } from "./index-file.ts";
import type { Repository } from "./open.ts";
import { errnoOf, unreadable } from "./read-metadata.ts";

export interface ListOptions {
  /** Also files that git does not track and does not ignore. Ignored files never travel. */
  includeUntracked: boolean;
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
  /** Empty unless asked for. */
  untracked: WorkspaceFile[];
  /** How many untracked files stay behind. */
  skippedUntracked: number;
  /** Repositories inside the work tree that git does not track; they stay behind always. */
  nestedRepositories: Buffer[];
  /** Set when the workspace is a commit's content and not the work tree's. */
  commit: { oid: string; files: CommitFile[] } | undefined;
}

/** Lists the workspace. Throws bad_repository naming a file that cannot be read, bad_request for an unknown `from`. */
export async function listFiles(repo: Repository, options: ListOptions): Promise<FileListing> {
  options.signal?.throwIfAborted();
  const { place, index } = repo.inside;
  if (options.from !== undefined) {
    const oid = await resolveCommit(repo, options.from, options.signal);
    if (oid !== repo.head) {
      const files = await listCommit(repo, oid, options.signal);
      return {
        tracked: files,
        untracked: [],
        skippedUntracked: 0,
        nestedRepositories: [],
        commit: { oid, files },
      };
    }
  }
  const others = runGit(place, ["ls-files", "-z", "--others", "--exclude-standard"], {
    signal: options.signal,
  });
  // Awaited below; a failure meanwhile must not count as unhandled.
  others.catch(() => {});
  const look = new Looker(repo);
  const tracked = look.tracked(index);
  const untracked: WorkspaceFile[] = [];
  const nestedRepositories: Buffer[] = [];
  let skippedUntracked = 0;
  for (const path of splitNul((await others).stdout)) {
    if (path.at(-1) === 0x2f) nestedRepositories.push(path.subarray(0, -1));
    else if (!options.includeUntracked) skippedUntracked += 1;
    else {
      const file = look.file(path, undefined);
      if (file !== undefined) untracked.push(file);
    }
  }
  return { tracked, untracked, skippedUntracked, nestedRepositories, commit: undefined };
}

/** Looks at files by name. What it sees is for the list; the copy itself goes by descriptors (tree-reader.ts). */
class Looker {
  readonly #buffer: Buffer;
  readonly #prefix: number;
  readonly #fileMode: boolean;
  readonly #directories = new Map<string, boolean>();
  #lastDirectory: Buffer = Buffer.alloc(0);
  #lastIsReal = true;
  readonly #uid = process.geteuid?.() ?? 0;

  constructor(repo: Repository) {
    const root = Buffer.from(repo.root === "/" ? "/" : `${repo.root}/`);
    this.#buffer = Buffer.alloc(root.length + 65_536);
    this.#prefix = root.copy(this.#buffer);
    this.#fileMode = repo.inside.settings.fileMode;
  }

  tracked(index: readonly IndexEntry[]): WorkspaceFile[] {
    const files: WorkspaceFile[] = [];
    let last: Buffer | undefined;
    for (const entry of index) {
      // A conflict has up to three entries for one file.
      if (entry.stage > 0 && last?.equals(entry.path) === true) continue;
      last = entry.path;
      const file = this.file(entry.path, entry);
      if (file !== undefined) files.push(file);
    }
    return files;
  }

  /** The file as it is in the work tree, or undefined when it is not there (or behind a link, or a pipe). */
  file(path: Buffer, entry: IndexEntry | undefined): WorkspaceFile | undefined {
    if (path.length > 65_535) return undefined;
    const slash = path.lastIndexOf(0x2f);
    if (slash >= 0 && !this.#inRealDirectory(path.subarray(0, slash))) return undefined;
    const stat = this.#lstat(path);
    if (stat === undefined) return undefined;
    if (stat.isSymbolicLink()) return { path, kind: "symlink", executable: false, sizeBytes: 0 };
    if (!stat.isFile()) return undefined;
    this.#checkReadable(path, stat);
    const mode = this.#fileMode || entry === undefined ? stat.mode : entry.mode;
    return { path, kind: "file", executable: (mode & 0o100) !== 0, sizeBytes: stat.size };
  }

  /** Whether every directory down to this one is a directory and no link. */
  #inRealDirectory(directory: Buffer): boolean {
    if (directory.equals(this.#lastDirectory)) return this.#lastIsReal;
    const key = directory.toString("latin1");
    let real = this.#directories.get(key);
    if (real === undefined) {
      const slash = directory.lastIndexOf(0x2f);
      real =
        (slash < 0 || this.#inRealDirectory(directory.subarray(0, slash))) &&
        this.#lstat(directory)?.isDirectory() === true;
      this.#directories.set(key, real);
    }
    this.#lastDirectory = directory;
    this.#lastIsReal = real;
    return real;
  }

  #lstat(path: Buffer): Stats | undefined {
    try {
      return lstatSync(this.#absolute(path), { throwIfNoEntry: false });
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG")
        return undefined;
      if (code === "EACCES" || code === "EPERM") throw unreadable(path, error);
      throw error;
    }
  }

  /** access(2) only where the mode bits alone do not settle it: it costs a system call a file. */
  #checkReadable(path: Buffer, stat: Stats): void {
    if ((stat.mode & 0o004) !== 0 || (stat.uid === this.#uid && (stat.mode & 0o400) !== 0)) return;
    try {
      accessSync(this.#absolute(path), constants.R_OK);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw unreadable(path, error);
    }
  }

  #absolute(path: Buffer): Buffer {
    path.copy(this.#buffer, this.#prefix);
    return this.#buffer.subarray(0, this.#prefix + path.length);
  }
}

export function* splitNul(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}
