/** The files that both sides have changed: merged line by line where that is possible. Touches no work tree. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { oneName, setEntries } from "./baseline.ts";
import type { Entry } from "./changes.ts";
import { type GitPlace, runGit } from "./git.ts";
import { splitNul } from "./list.ts";
import type { Repository } from "./open.ts";

interface Sides {
  base: Entry | undefined;
  ours: Entry | undefined;
  theirs: Entry | undefined;
}

const stages = ["", "base", "ours", "theirs"] as const;
const mostMergedBytes = 256 * 1024 * 1024;

/**
 * Makes one tree of an index with both sides in it. `marked` files have marks of a conflict in them; `left` ones are as they were
 * on our side.
 */
export async function mergeFiles(
  repo: Repository,
  place: GitPlace,
  vm: string,
  signal?: AbortSignal,
): Promise<{ tree: string; marked: Buffer[]; left: Buffer[] }> {
  const { stdout } = await runGit(place, ["ls-files", "-z", "--unmerged"], { signal });
  const marked: Buffer[] = [];
  const left: Buffer[] = [];
  const settled: { path: Buffer; entry: Entry | undefined }[] = [];
  for (const item of parseUnmerged(stdout)) {
    const merged = await mergeOne(repo, place, item, { vm, signal });
    if (merged === undefined) left.push(item.path);
    else if (merged.conflicts) marked.push(item.path);
    settled.push({ path: item.path, entry: merged ?? item.ours });
  }
  await setEntries(repo, place, settled, signal);
  return { tree: oneName(await runGit(place, ["write-tree"], { signal })), marked, left };
}

/** `MODE OID STAGE\tPATH`, a record per stage. */
function parseUnmerged(bytes: Buffer): (Sides & { path: Buffer })[] {
  const found = new Map<string, Sides & { path: Buffer }>();
  for (const record of splitNul(bytes)) {
    const [, mode = "", oid = "", stage = ""] =
      /^([0-7]{6}) ([0-9a-f]+) ([123])\t/.exec(record.toString("latin1", 0, 200)) ?? [];
    const key = stages[Number(stage)];
    if (key === undefined || key === "")
      throw new BangerError("operation_failed", "git ls-files wrote what it should not");
    const path = record.subarray(record.indexOf(9) + 1);
    const item = found.get(path.toString("latin1")) ?? {
      ...{ path, base: undefined, ours: undefined, theirs: undefined },
    };
    item[key] = { mode: Number.parseInt(mode, 8), oid };
    found.set(path.toString("latin1"), item);
  }
  return [...found.values()];
}

/** Undefined where lines cannot be merged: one side has no such file, it is a link or binary, or very large. */
export async function mergeOne(
  repo: Repository,
  place: GitPlace,
  { base, ours, theirs }: Sides,
  { vm, signal }: { vm: string; signal?: AbortSignal | undefined },
): Promise<{ mode: number; oid: string; conflicts: boolean } | undefined> {
  if (ours === undefined || theirs === undefined) return undefined;
  const sides = [ours, base, theirs];
  if (sides.some((side) => side !== undefined && (side.mode & 0o170000) !== 0o100000)) return undefined;
  if (await areLarge(place, sides, signal)) return undefined;
  const files: string[] = [];
  try {
    for (const [n, side] of sides.entries()) {
      const file = join(repo.inside.scratch, `merge-${n}`);
      files.push(file);
      const content =
        side === undefined
          ? Buffer.alloc(0)
          : (await runGit(place, ["cat-file", "blob", side.oid], { signal })).stdout;
      writeFileSync(file, content);
    }
    const labels = ["here", "as it was copied", `VM ${vm}`].flatMap((label) => ["-L", label]);
    const conflicted = Array.from({ length: 127 }, (_, n) => n + 1);
    const args = ["merge-file", "-p", "-q", ...labels, ...files];
    const { status, stdout } = await runGit(place, args, { signal, okStatuses: [...conflicted, 255] });
    if (status === 255) return undefined;
    const input = { signal, input: stdout };
    const oid = oneName(await runGit(place, ["hash-object", "-w", "--stdin"], input));
    // The mode that one side changed.
    const mode = ours.mode === base?.mode ? theirs.mode : ours.mode;
    return { mode, oid, conflicts: status !== 0 };
  } finally {
    for (const file of files) rmSync(file, { force: true });
  }
}

async function areLarge(
  place: GitPlace,
  sides: readonly (Entry | undefined)[],
  signal?: AbortSignal,
): Promise<boolean> {
  const input = Buffer.from(sides.map((side) => (side === undefined ? "" : `${side.oid}\n`)).join(""));
  const args = ["cat-file", "--batch-check=%(objectsize)"];
  const { stdout } = await runGit(place, args, { signal, input });
  return stdout
    .toString("latin1")
    .split("\n")
    .some((size) => Number(size) > mostMergedBytes);
}
