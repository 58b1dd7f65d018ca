/** Looks at the files of a work tree by their names. */
import { accessSync, constants, lstatSync, type Stats } from "node:fs";
import { isClean } from "./clean.ts";
import type { IndexEntry } from "./index-file.ts";
import type { WorkspaceFile } from "./list.ts";
import type { Repository } from "./open.ts";
import { errnoOf, unreadable } from "./read-metadata.ts";

export interface TrackedFiles {
  files: WorkspaceFile[];
  /** Names whose file is not known to be what the index has: edited, made anew, gone, in conflict. */
  changed: { present: Buffer[]; gone: Buffer[] };
}

/** Looks at files by name. What it sees is for the list; the copy itself goes by descriptors (tree-reader.ts). */
export class Looker {
  readonly #buffer: Buffer;
  readonly #prefix: number;
  readonly #fileMode: boolean;
  readonly #directories = new Map<string, boolean>();
  #lastDirectory: Buffer = Buffer.alloc(0);
  #lastIsReal = true;
  /** Of the file that was looked at last. */
  #last: Stats | undefined;
  readonly #uid = process.geteuid?.() ?? 0;

  constructor(repo: Repository) {
    const root = Buffer.from(repo.root === "/" ? "/" : `${repo.root}/`);
    this.#buffer = Buffer.alloc(root.length + 65_536);
    this.#prefix = root.copy(this.#buffer);
    this.#fileMode = repo.inside.settings.fileMode;
  }

  /** `leftOut`: names that stay behind, in Latin-1. */
  tracked(index: readonly IndexEntry[], indexTimeMs: number, leftOut: ReadonlySet<string>): TrackedFiles {
    const files: WorkspaceFile[] = [];
    const changed: TrackedFiles["changed"] = { present: [], gone: [] };
    let last: Buffer | undefined;
    for (const entry of index) {
      // A conflict has up to three entries for one file.
      if (entry.stage > 0 && last?.equals(entry.path) === true) continue;
      last = entry.path;
      if (leftOut.size > 0 && leftOut.has(entry.path.toString("latin1"))) continue;
      const file = this.file(entry.path, entry);
      if (file !== undefined) files.push(file);
      // Git does not look at those either.
      if (entry.assumeUnchanged && entry.stage === 0) continue;
      if (file === undefined) {
        if (!entry.skipWorktree) changed.gone.push(entry.path);
      } else if (!this.#isClean(entry, file, indexTimeMs)) changed.present.push(entry.path);
    }
    return { files, changed };
  }

  #isClean(entry: IndexEntry, file: WorkspaceFile, indexTimeMs: number): boolean {
    const stat = this.#last;
    if (stat === undefined || (entry.mode === 0o120000) !== (file.kind === "symlink")) return false;
    return isClean(entry, stat, stat, indexTimeMs);
  }

  /** The file as it is in the work tree, or undefined when it is not there (or behind a link, or a pipe). */
  file(path: Buffer, entry: IndexEntry | undefined): WorkspaceFile | undefined {
    if (path.length > 65_535) return undefined;
    const slash = path.lastIndexOf(0x2f);
    if (slash >= 0 && !this.inRealDirectory(path.subarray(0, slash))) return undefined;
    const stat = this.#lstat(path);
    this.#last = stat;
    if (stat === undefined) return undefined;
    if (stat.isSymbolicLink()) return { path, kind: "symlink", executable: false, sizeBytes: 0 };
    if (!stat.isFile()) return undefined;
    this.#checkReadable(path, stat);
    const mode = this.#fileMode || entry === undefined ? stat.mode : entry.mode;
    return { path, kind: "file", executable: (mode & 0o100) !== 0, sizeBytes: stat.size };
  }

  /** Whether every directory down to this one is a directory and no link. */
  inRealDirectory(directory: Buffer): boolean {
    if (directory.equals(this.#lastDirectory)) return this.#lastIsReal;
    const key = directory.toString("latin1");
    let real = this.#directories.get(key);
    if (real === undefined) {
      const slash = directory.lastIndexOf(0x2f);
      real =
        (slash < 0 || this.inRealDirectory(directory.subarray(0, slash))) &&
        this.#lstat(directory)?.isDirectory() === true;
      this.#directories.set(key, real);
    }
    this.#lastDirectory = directory;
    this.#lastIsReal = real;
    return real;
  }

  /** Undefined when there is nothing, or something above is no directory. */
  stat(path: Buffer): Stats | undefined {
    const slash = path.lastIndexOf(0x2f);
    if (slash >= 0 && !this.inRealDirectory(path.subarray(0, slash))) return undefined;
    return this.#lstat(path);
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
