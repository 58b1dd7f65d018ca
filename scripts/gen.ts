/** Writes what is made from the source: docs/commands.md, docs/config.md, docs/troubleshooting.md. With --check only says whether they are up to date. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandReference } from "../src/cli/reference.ts";
import { configReference } from "../src/config/reference.ts";
import { troubleshooting } from "../src/doctor/doctor.ts";

const pages: Record<string, string> = {
  "commands.md": await commandReference(),
  "config.md": configReference(),
  "troubleshooting.md": troubleshooting(),
};
let stale = false;

for (const [name, wanted] of Object.entries(pages)) {
  const path = join(import.meta.dir, "..", "docs", name);
  if (!process.argv.includes("--check")) {
    writeFileSync(path, wanted);
  } else if (read(path) !== wanted) {
    console.error(`docs/${name} does not say what the source says; write it anew: npm run gen`);
    stale = true;
  }
}
if (stale) process.exit(1);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there: as stale as any other content.
    return "";
  }
}
