/** Finds the work tree around a path and its git directory, and refuses what is no ordinary repository. */
import { lstatSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BangerError, shellWord } from "../base/base.ts";
import { printable } from "./printable.ts";
import { errnoOf, readMetadata, unreadable } from "./read-metadata.ts";

/** All absolute and free of symbolic links. In a linked work tree `gitDir` is below `commonDir`, else they are one. */
export interface Located {
  root: string;
  gitDir: string;
  commonDir: string;
}

/** Throws not_found for a path that does not exist, bad_repository (with the reason) for one that is no work tree. */
export function locateWorkTree(path: string): Located {
  const start = realDirectory(path);
  let at = start;
  for (;;) {
    const dotGit = lstatIfThere(join(at, ".git"));
    if (dotGit !== undefined) return fromDotGit(at, dotGit);
    if (looksLikeGitDir(at)) {
      if (basename(at) === ".git") {
        throw refused(`${show(path)} is inside a .git directory`, `name the work tree: ${dirname(at)}`);
      }
      throw refused(
        `${show(at)} is a bare repository: it has no files to copy`,
        "clone it and name the clone",
      );
    }
    if (at === dirname(at)) break;
    at = dirname(at);
  }
  throw refused(
    `${show(path)} is not in a git repository`,
    `make it one: git init ${shellWord(show(start))}; or run without a path, and copy nothing`,
  );
}

function fromDotGit(root: string, dotGit: Stats): Located {
  const path = join(root, ".git");
  if (dotGit.isSymbolicLink()) {
    throw refused(
      `${show(path)} is a symbolic link`,
      "banger copies only repositories that keep their own .git",
    );
  }
  if (dotGit.isDirectory()) {
    if (!looksLikeGitDir(path)) throw refused(`${show(path)} is incomplete`, "check it with: git status");
    return { root, gitDir: path, commonDir: path };
  }
  if (!dotGit.isFile()) throw refused(`${show(path)} is neither a directory nor a file`, undefined);
  return linkedWorkTree(root, path);
}

/**
 * A `.git` file says `gitdir: PATH`. Anybody can write one that names somebody's private repository, so both ends must
 * agree, as `git worktree add` leaves them: PATH is <common>/worktrees/<name>, and its `gitdir` file names this `.git`.
 */
function linkedWorkTree(root: string, dotGit: string): Located {
  const target = line(readMetadata(dotGit, 8192)).replace(/^gitdir: /, "");
  const hint = "clone the repository and name the clone";
  let gitDir: string;
  try {
    gitDir = realpathSync(resolve(root, target));
  } catch (error) {
    throw refused(`${show(dotGit)} points to a git directory that is not there`, hint, error);
  }
  const common = readMetadata(join(gitDir, "commondir"), 8192);
  if (common === undefined) {
    const submodule = /\/\.git\/(?:.*\/)?modules\//.test(gitDir);
    throw refused(
      submodule
        ? `${show(root)} is a submodule: its git directory is inside another repository`
        : `${show(root)} keeps its git directory elsewhere (${show(gitDir)})`,
      hint,
    );
  }
  let commonDir: string;
  let back: string;
  try {
    commonDir = realpathSync(resolve(gitDir, line(common)));
    back = realpathSync(resolve(gitDir, line(readMetadata(join(gitDir, "gitdir"), 8192))));
  } catch (error) {
    throw refused(
      `${show(root)} is a linked work tree whose links are broken`,
      "mend it with: git worktree repair",
      error,
    );
  }
  if (dirname(gitDir) !== join(commonDir, "worktrees") || back !== dotGit) {
    throw refused(
      `${show(root)} claims to be a work tree of ${show(commonDir)}, which does not know it`,
      "mend it with: git worktree repair",
    );
  }
  return { root, gitDir, commonDir };
}

function realDirectory(path: string): string {
  let real: Buffer;
  try {
    real = realpathSync(path, { encoding: "buffer" });
    if (!statSync(real).isDirectory()) {
      throw new BangerError("bad_repository", `${show(path)} is not a directory`, {
        hint: "name a directory of a git repository",
      });
    }
  } catch (error) {
    if (error instanceof BangerError) throw error;
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") {
      throw new BangerError("not_found", `there is no ${show(path)}`, { cause: error });
    }
    if (code === "ELOOP") throw refused(`${show(path)} is a loop of symbolic links`, undefined, error);
    if (code === "EACCES") throw unreadable(path, error);
    throw error;
  }
  const text = real.toString("utf8");
  if (!Buffer.from(text, "utf8").equals(real)) {
    throw refused(`the path ${printable(real)} is not UTF-8`, "rename the directories above the repository");
  }
  return text;
}

/** The same three signs that git looks for. */
function looksLikeGitDir(path: string): boolean {
  const head = lstatIfThere(join(path, "HEAD"));
  if (head === undefined) return false;
  if (lstatIfThere(join(path, "commondir")) !== undefined) return true;
  return lstatIfThere(join(path, "objects")) !== undefined && lstatIfThere(join(path, "refs")) !== undefined;
}

function lstatIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "EACCES") throw unreadable(path, error);
    throw error;
  }
}

function line(bytes: Buffer | undefined): string {
  return (bytes ?? Buffer.alloc(0)).toString("utf8").replace(/[\r\n]+$/, "");
}

function show(path: string): string {
  return printable(Buffer.from(isAbsolute(path) ? path : path || "."));
}

function refused(message: string, hint: string | undefined, cause?: unknown): BangerError {
  return new BangerError("bad_repository", message, { hint, cause });
}
