/**
 * What hostile repositories are built with. A Trap gives them a program that must never run (it leaves a mark), a file
 * outside whose content must never travel, and a private repository of somebody else's with that content in it.
 */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { git } from "./repo-fixture.ts";
export interface Trap {
  /** The repository, with files a, dir/b and one commit. */
  dir: string;
  /** Must never run. */
  program: string;
  /** Must never travel: a file outside that holds the canary, and a repository that has it committed. */
  secretFile: string;
  secretDir: string;
  victim: string;
}

export interface HostileKind {
  name: string;
  build(trap: Trap): void;
  /** What must happen: the workspace arrives (default), or it is refused with this code. */
  refused?: "bad_repository" | "bad_request";
  /** Revision to start a branch from. */
  from?: string;
  /** Further check of the extracted workspace; a string is a complaint. */
  check?(extracted: string): string | undefined;
}

export const canary = "CANARY-7f3a9c51-must-stay-outside";

export const set = (trap: Trap, ...pairs: [string, string][]) => {
  for (const [key, value] of pairs) git(trap.dir, "config", "--add", key, value);
};
export const config = (
  key: string,
  value: (trap: Trap) => string = ({ program }) => program,
): HostileKind => ({
  name: `config ${key}`,
  build: (trap) => set(trap, [key, value(trap)]),
});
export const attribute = (text: string, ...keys: string[]): HostileKind => ({
  name: `attribute ${text} with ${keys.join(", ")}`,
  build: (trap) => {
    set(trap, ...keys.map((key): [string, string] => [key, trap.program]));
    writeFileSync(join(trap.dir, ".gitattributes"), `* ${text}\n`);
    commitAllQuietly(trap.dir);
    appendFileSync(join(trap.dir, "a"), "changed");
  },
});
export const replaced = (path: string, what: "fifo" | "secret"): HostileKind => ({
  name: `${path} is a ${what === "fifo" ? "pipe" : "link to a file outside"}`,
  build: (trap) => {
    const at = join(trap.dir, path);
    mkdirSync(dirname(at), { recursive: true });
    rmSync(at, { force: true });
    if (what === "fifo") fifo(at);
    else symlinkSync(trap.secretFile, at);
  },
  refused: "bad_repository",
});
export const rawIndex = (name: string, change: (index: Buffer) => Buffer): HostileKind => ({
  name: `index with ${name}`,
  build: ({ dir }) => writeFileSync(join(dir, ".git/index"), change(readFileSync(join(dir, ".git/index")))),
  refused: "bad_repository",
});
/** Replaces the 5-byte name `dir/b` in the index by another one of 5 bytes. */
export const indexName = (name: string): HostileKind =>
  rawIndex(`the name ${JSON.stringify(name)}`, (index) => {
    index.write(name, index.indexOf("dir/b"), "latin1");
    return index;
  });
export const refusedConfig = (key: string, value: (trap: Trap) => string): HostileKind => ({
  ...config(key, value),
  refused: "bad_repository",
});
export const gone = (path: string) => (extracted: string) =>
  readdirSync(extracted).includes(path) ? `${path} travelled` : undefined;
export const configLacks = (text: string) => (extracted: string) =>
  readFileSync(join(extracted, ".git/config"), "latin1").includes(text)
    ? `the configuration has ${text}`
    : undefined;

export function commitAllQuietly(dir: string): void {
  // With the filters of the trap off: building it must not spring it.
  const off = ["filter.x.clean=", "filter.x.smudge=", "filter.x.process=", "core.fsmonitor="].flatMap(
    (key) => ["-c", key],
  );
  git(dir, ...off, "add", "-A");
  git(dir, ...off, "commit", "-q", "-m", "more");
}

export function fifo(path: string): void {
  if (spawnSync("mkfifo", [path]).status !== 0) throw new Error(`mkfifo ${path} failed`);
}

export function treeEntry(mode: string, name: string, oid: string): Buffer {
  return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, "hex")]);
}

export function evilTree(dir: string, content: Buffer): string {
  const args = ["-C", dir, "hash-object", "-w", "--literally", "-t", "tree", "--stdin"];
  return spawnSync("git", args, { input: content }).stdout.toString().trim();
}

export function evilCommit(dir: string, tree: Buffer): void {
  git(dir, "update-ref", "refs/tags/evil", git(dir, "commit-tree", "-m", "evil", evilTree(dir, tree)).trim());
}
