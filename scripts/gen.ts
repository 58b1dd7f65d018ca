/** Writes what is made from the source: docs/commands.md. With --check only says whether it is up to date. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandReference } from "../src/cli/reference.ts";

const path = join(import.meta.dir, "..", "docs", "commands.md");
const wanted = await commandReference();

if (process.argv.includes("--check")) {
  const found = (() => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // Not there: as wrong as any other content.
      return "";
    }
  })();
  if (found !== wanted) {
    console.error("docs/commands.md does not say what the commands are; write it anew: bun scripts/gen.ts");
    process.exit(1);
  }
} else {
  writeFileSync(path, wanted);
}
