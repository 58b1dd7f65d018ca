/** Puts commits that are in the private store into the repository, as one pack. */
import { linkSync, mkdtempSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { runGit } from "./git.ts";
import { createFile, insideGitDir, piecesOf } from "./git-dir-writer.ts";
import type { Repository } from "./open.ts";
import { errnoOf } from "./read-metadata.ts";
import { removeScratch } from "./scratch.ts";

/** Everything of `tip` that no reference of the repository leads to. Readers see the pack when its index is there. */
export async function installCommits(repo: Repository, tip: string, signal?: AbortSignal): Promise<void> {
  const { place, scratch, at } = repo.inside;
  const dir = mkdtempSync(join(scratch, "install-"));
  try {
    const args = ["pack-objects", "--revs", "--window=0", "--delta-base-offset", "--non-empty", "-q"];
    const known = [repo.head, ...new Set(repo.inside.refs.byName.values())];
    const input = Buffer.from([tip, "--not", ...known].map((line) => `${line}\n`).join(""));
    await runGit(place, [...args, join(dir, "pack")], { signal, input });
    const names = readdirSync(dir).filter((name) => /^pack-[0-9a-f]+\.(?:pack|idx)$/.test(name));
    // The index last: git looks for packs by their indexes.
    names.sort().reverse();
    insideGitDir(at.commonDir, ["objects", "pack"], (packs) => {
      for (const name of names) copyInto(packs, join(dir, name), name);
    });
  } finally {
    removeScratch(dir);
  }
}

/** Git's own way: aside under a name that `git gc` clears away, then into its place, unless the same is there already. */
function copyInto(dir: string, from: string, name: string): void {
  const aside = `${dir}/tmp_banger_${process.pid}_${name}`;
  createFile(aside, piecesOf(from), 0o444);
  try {
    linkSync(aside, `${dir}/${name}`);
    unlinkSync(aside);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") unlinkSync(aside);
    // A file system without hard links.
    else renameSync(aside, `${dir}/${name}`);
  }
}
