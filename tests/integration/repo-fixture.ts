/** Builds real repositories in temporary directories and unpacks what the repo room makes of them. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openRepository, type PackedWorkspace, packWorkspace } from "../../src/repo/repo.ts";

const identity = {
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/** A temporary directory that disposes of itself. */
export function tempDir(): { path: string } & Disposable {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "banger-repo-test-")));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs git in a directory and returns what it printed, as Latin-1 text; throws when it fails. */
export function git(dir: string, ...args: string[]): string {
  const done = spawnSync("git", ["-C", dir, ...args], {
    encoding: "latin1",
    env: { PATH: process.env.PATH ?? "", HOME: dir, LC_ALL: "C", ...identity },
    maxBuffer: 1024 ** 3,
  });
  if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

export function initRepository(dir: string, ...args: string[]): string {
  mkdirSync(dir, { recursive: true });
  git(dir, "init", "-q", "-b", "main", ...args);
  git(dir, "config", "maintenance.auto", "false");
  git(dir, "config", "gc.auto", "0");
  return dir;
}

export function commitAll(dir: string, message = "one"): string {
  git(dir, "add", "-A");
  git(dir, "commit", "-q", "--allow-empty", "-m", message);
  return git(dir, "rev-parse", "HEAD").trim();
}

export interface CopyOptions {
  includeUntracked?: boolean;
  branch?: string;
  from?: string;
}

/** Opens, packs and unpacks a repository with the system's tar; returns what packing said about it. */
export async function copyRepository(
  from: string,
  to: string,
  scratchBase: string,
  options: CopyOptions = {},
): Promise<PackedWorkspace> {
  const repo = await openRepository(from, { scratchBase });
  try {
    const packed = await packWorkspace(repo, { includeUntracked: false, ...options });
    mkdirSync(to, { recursive: true });
    await untar(packed.stream, to);
    return packed;
  } finally {
    repo.close();
  }
}

/** Feeds a tar to `tar -x`; throws unless it is complete and right. */
export async function untar(stream: Readable, to: string): Promise<void> {
  const tar = spawn("tar", ["-x", "-p", "-f", "-", "-C", to], { stdio: ["pipe", "ignore", "pipe"] });
  const said: Buffer[] = [];
  tar.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const ended = new Promise<number | null>((resolve) => tar.on("close", resolve));
  await pipeline(stream, tar.stdin);
  const status = await ended;
  if (status !== 0 || said.length > 0)
    throw new Error(`tar ended with ${status}: ${Buffer.concat(said).toString()}`);
}
