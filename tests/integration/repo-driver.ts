/**
 * Opens, lists and packs each repository named on the command line; a test runs it under strace. Writes the tar beside
 * the repository (`<path>.tar`) and one JSON line a repository: what went wrong, or nothing. A path that ends in
 * `@REV` is packed from that revision.
 */
import { createWriteStream, rmSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { toBangerError } from "../../src/base/base.ts";
import { dryRunLines, listFiles, openRepository, packWorkspace } from "../../src/repo/repo.ts";

const [scratchBase = "", ...paths] = process.argv.slice(2);
for (const argument of paths) {
  const [path = "", from] = argument.split("@");
  const tar = `${path}.tar`;
  const started = performance.now();
  try {
    const repo = await openRepository(path, { scratchBase });
    try {
      const options = { includeUntracked: from === undefined, ...(from === undefined ? {} : { from }) };
      const listing = await listFiles(repo, options);
      const lines = [...dryRunLines(repo, listing)];
      const packed = await packWorkspace(repo, {
        ...options,
        ...(from === undefined ? {} : { branch: "guest" }),
        listing,
      });
      await pipeline(packed.stream, createWriteStream(tar));
      console.log(JSON.stringify({ path, lines }));
    } finally {
      repo.close();
    }
  } catch (error) {
    rmSync(tar, { force: true });
    const { code, message, hint } = toBangerError(error);
    console.log(JSON.stringify({ path, code, message, hint, ms: Math.round(performance.now() - started) }));
  }
}
