/**
 * Makes dist/banger: one executable, with its other names as symlinks to it. Run by `npm run build`.
 * `bun scripts/build.ts BUN`: of the Bun of another platform, whose native parts are compiled already.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json";
import { compile } from "./compile.ts";

const root = join(import.meta.dir, "..");
const dist = join(root, "dist");

const foreignBun = process.argv[2];

// What is embedded is of this source: make compiles what has changed.
execFileSync("make", ["-s", "-C", join(root, "native")], { stdio: "inherit" });

function git(...args: string[]): string {
  try {
    return execFileSync("git", args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    // Not a checkout (a downloaded archive), or no git: the stamp says unknown.
    return "";
  }
}

const commit = git("rev-parse", "--short=8", "HEAD") || "unknown";
const dirty =
  git("status", "--porcelain", "--untracked-files=no") === "" ? "" : `+dirty.${Date.now().toString(36)}`;
const epoch = process.env.SOURCE_DATE_EPOCH;
const builtAt = (epoch === undefined ? new Date() : new Date(Number(epoch) * 1000))
  .toISOString()
  .replace(/\.\d+Z$/, "Z");

mkdirSync(dist, { recursive: true });
const result = await compile({
  outfile: join(dist, "banger.new"),
  bun: foreignBun,
  build: { version: manifest.version, commit: commit + dirty, builtAt },
});
if (!result.success) {
  for (const message of result.logs) process.stderr.write(`build: ${message.message}\n`);
  process.exit(1);
}
renameSync(join(dist, "banger.new"), join(dist, "banger"));
for (const name of ["bangerd", "bangerd-root", "bangerd-build"]) {
  rmSync(join(dist, name), { force: true });
  symlinkSync("banger", join(dist, name));
}
rmSync(join(dist, "man"), { recursive: true, force: true });
if (foreignBun === undefined) {
  // By the executable itself, which knows its version: for packages, and to be read as `man -l dist/man/banger.1`.
  execFileSync(join(dist, "banger"), ["internal", "man", join(dist, "man")], { stdio: "ignore" });
}
process.stdout.write(`build: dist/banger ${manifest.version} (${commit}${dirty})\n`);
