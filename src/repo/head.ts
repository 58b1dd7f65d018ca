/** Single questions about a repository, answered without git where that is possible. */
import { join } from "node:path";
import { runGit } from "./git.ts";
import { locateWorkTree } from "./locate.ts";
import type { Repository } from "./open.ts";
import { readMetadata } from "./read-metadata.ts";
import { refNameProblem } from "./refs.ts";

const oid = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** HEAD's commit in the repository around `path`; undefined where there is none to be found. Starts nothing. */
export function headCommit(path: string): string | undefined {
  try {
    const { gitDir, commonDir } = locateWorkTree(path);
    const head = readMetadata(join(gitDir, "HEAD"), 4096)?.toString("latin1").trim() ?? "";
    if (oid.test(head)) return head;
    const ref = /^ref:\s*(refs\/heads\/.+)$/.exec(head)?.[1];
    if (ref === undefined || refNameProblem(ref) !== undefined) return undefined;
    const loose = readMetadata(Buffer.from(join(commonDir, ref), "latin1"), 4096)
      ?.toString("latin1")
      .trim();
    if (loose !== undefined) return oid.test(loose) ? loose : undefined;
    const packed = readMetadata(join(commonDir, "packed-refs"), 256 * 1024 * 1024)?.toString("latin1") ?? "";
    const at = packed.indexOf(` ${ref}\n`);
    const name = packed.slice(packed.lastIndexOf("\n", at) + 1, at);
    return at >= 0 && oid.test(name) ? name : undefined;
  } catch {
    return undefined; // no repository, or none that can be read: others say so when it matters
  }
}

/** Whether the repository has this commit. */
export function hasCommit(repo: Repository, commit: string, signal?: AbortSignal): Promise<boolean> {
  return has(repo, commit, "commit", signal);
}

/** Whether the repository has this tree, which need not be a commit's. */
export function hasTree(repo: Repository, tree: string, signal?: AbortSignal): Promise<boolean> {
  return has(repo, tree, "tree", signal);
}

async function has(
  repo: Repository,
  name: string,
  kind: "commit" | "tree",
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!oid.test(name)) return false;
  const input = Buffer.from(`${name}\n`);
  const args = ["cat-file", "--batch-check=%(objecttype)"];
  const { stdout } = await runGit(repo.inside.place, args, { signal, input });
  return stdout.toString("latin1") === `${kind}\n`;
}
