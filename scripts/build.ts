/**
 * Makes dist/banger: one executable, with its other names as symlinks to it. Run by `npm run build`.
 * `bun scripts/build.ts BUN`: of the Bun of another platform, whose native parts are compiled already.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json";

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
const result = await Bun.build({
  entrypoints: [join(root, "src/main.ts")],
  compile: {
    outfile: join(dist, "banger.new"),
    ...(foreignBun === undefined ? {} : { executablePath: foreignBun }),
    // Started inside a hostile repository, banger must not run its bunfig.toml or read its .env.
    autoloadBunfig: false,
    autoloadDotenv: false,
    // A command ends before compiled code pays: a fifth of the CPU time of `vm exec -- true` was the JIT's (58 ms to 46).
    // What is hot for longer is still compiled; personalities that stay go back to 1 (src/main.ts).
    jitPolicy: 10,
  },
  // One file for each import(): only what a command loads is read. As one file, `--version` took 25 ms of CPU time for 14.
  splitting: true,
  // Bytecode halves the time to load the command line (measured: 28 ms to 14 ms for the contract and the client).
  bytecode: true,
  format: "esm",
  minify: true,
  sourcemap: "none",
  define: {
    // Where a package was on the machine that builds is nobody's business, and would make each checkout's executable another.
    // The two files of ssh2 that ask look for things beside them which are not there in an executable.
    __dirname: JSON.stringify("/"),
    __filename: JSON.stringify("/"),
    BANGER_VERSION: JSON.stringify(manifest.version),
    BANGER_COMMIT: JSON.stringify(commit + dirty),
    BANGER_BUILT_AT: JSON.stringify(builtAt),
  },
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
