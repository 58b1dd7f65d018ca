/** `npm run release:compare`: builds this checkout's commit in two directories, and compares what comes of it, byte by byte. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../src/base/base.ts";
import { runScript } from "./publish/script.ts";
import { buildPayload } from "./release/payload.ts";
import { openSource } from "./release/source.ts";
import { sha256 } from "./release/sums.ts";

const usage = `npm run release:compare

Builds the commit twice, in directories of different names, and says whether each file of a release came out the same.`;

await runScript("release:compare", usage, parse, async () => {
  const source = openSource(join(import.meta.dir, ".."));
  const work = mkdtempSync(join(tmpdir(), "banger-compare-"));
  process.once("exit", () => rmSync(work, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  const first = buildPayload(source, join(work, "a"));
  const second = buildPayload(source, join(work, "a longer name", "with more in it"));
  const differing = [...first].filter(([name, content]) => second.get(name)?.equals(content) !== true);
  for (const [name, content] of first)
    process.stdout.write(
      `${differing.some(([one]) => one === name) ? "differs" : "same"}  ${sha256(content)}  ${name}\n`,
    );
  if (differing.length > 0) throw new BangerError("operation_failed", "two builds of one commit differ");
});

function parse(argv: readonly string[]): true | undefined {
  if (argv.length === 0) return true;
  if (argv.length === 1 && argv[0] === "--help") return undefined;
  throw new BangerError("usage", `there is no option ${argv[0]}`, { hint: "see --help" });
}
