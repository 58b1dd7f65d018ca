/** What is copied because somebody named it, though git ignores it: node_modules, .env. */
import { createHash } from "node:crypto";
import { readdirSync, type Stats } from "node:fs";
import { isAbsolute, normalize, relative } from "node:path";
import { BangerError } from "../base/base.ts";
import type { WorkspaceFile } from "./list.ts";
import type { Looker } from "./look.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";

const mostFiles = 1_000_000;

/**
 * The files at and below each path that git does not track; a path is relative to the repository's root or absolute and inside
 * of it. Links are copied as links and never followed; a .git directory below is left out. Throws bad_request for a path that is
 * not there, outside, or behind a link. The digest changes when a file comes, goes or changes (by size, time and mode).
 */
export function includedFiles(
  repo: Repository,
  look: Looker,
  paths: readonly string[],
): { files: WorkspaceFile[]; digest: string | undefined } {
  if (paths.length === 0) return { files: [], digest: undefined };
  const stats = new Map<WorkspaceFile, Stats>();
  const found: WorkspaceFile[] = [];
  const seen = new Set(repo.inside.index.map(({ path }) => path.toString("latin1")));
  const walk = (path: Buffer, name: string): void => {
    const stat = look.stat(path);
    if (stat?.isDirectory() === true) {
      for (const entry of namesIn(repo, path)) {
        if (entry.toString("latin1").toLowerCase() === ".git") continue;
        walk(path.length === 0 ? entry : Buffer.concat([path, slash, entry]), name);
      }
      return;
    }
    const key = path.toString("latin1");
    if (seen.has(key)) return;
    seen.add(key);
    const file = look.file(path, undefined);
    if (file === undefined || stat === undefined) return;
    found.push(file);
    stats.set(file, stat);
    if (found.length > mostFiles) throw refused(name, `has more than ${mostFiles} files`, "name less of it");
  };
  for (const name of paths) {
    const path = insideRoot(repo, name);
    if (look.stat(path) === undefined) {
      throw refused(
        name,
        `is not in ${printable(Buffer.from(repo.root))}`,
        "name a file or directory in it; links above it are not followed",
      );
    }
    walk(path, name);
  }
  found.sort((a, b) => a.path.compare(b.path));
  const hash = createHash("sha256");
  for (const file of found) {
    const { size = 0, mtimeMs = 0, mode = 0 } = stats.get(file) ?? {};
    hash.update(file.path).update(`\0${size} ${mtimeMs} ${mode}\0`);
  }
  return { files: found, digest: hash.digest("hex") };
}

const slash = Buffer.from("/");

function insideRoot(repo: Repository, name: string): Buffer {
  const below = isAbsolute(name) ? relative(repo.root, normalize(name)) : normalize(name).replace(/\/$/, "");
  const parts = below.split("/");
  if (below === "" || below === "." || parts[0] === ".." || name.includes("\0")) {
    throw refused(name, "is not inside the repository", "paths count from the repository's root");
  }
  if (parts.some((part) => part.toLowerCase() === ".git")) {
    throw refused(name, "is git's own", "the guest gets a .git made for it");
  }
  return Buffer.from(below);
}

function namesIn(repo: Repository, path: Buffer): Buffer[] {
  const full = Buffer.concat([Buffer.from(repo.root), slash, path]);
  try {
    return readdirSync(full, { encoding: "buffer" }).sort(Buffer.compare);
  } catch (error) {
    throw new BangerError("bad_repository", `cannot read the directory ${printable(path)}`, {
      hint: "make it readable for you, or do not include it",
      cause: error,
    });
  }
}

function refused(name: string, what: string, hint: string): BangerError {
  return new BangerError("bad_request", `--include ${printable(Buffer.from(name))} ${what}`, { hint });
}
