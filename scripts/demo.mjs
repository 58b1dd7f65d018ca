#!/usr/bin/env node
/** `npm run demo`: all the set-up, then the main job, on this very checkout. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { note } from "./setup/progress.mjs";
import { setup } from "./setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const words = ["vm", "run", "--rm", ".", "--", "sh", "-c", "uname -a; ls; git log --oneline -3"];

if (!existsSync(join(root, ".git"))) {
  note(
    "demo: this directory is no git checkout, and banger copies what git tracks; clone the repository instead of downloading an archive",
  );
  process.exit(1);
}
try {
  await setup({ tests: false });
} catch (error) {
  note(`setup: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
note(`\n$ dist/banger ${words.slice(0, -1).join(" ")} '${words.at(-1)}'`);
const result = spawnSync(join(root, "dist/banger"), words, { cwd: root, stdio: "inherit" });
if (result.status === 0) {
  note("\nIt works: that was a VM of its own, with this checkout in it.");
  note("Next: install -D dist/banger ~/.local/bin/banger, then in any repository: banger vm run --rm .");
}
process.exit(result.status ?? 1);
