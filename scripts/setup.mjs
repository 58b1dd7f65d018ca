#!/usr/bin/env node
/**
 * Everything between a fresh checkout and dist/banger: host packages, dependencies, native parts, the executable.
 * Plain Node, because nothing else is there yet. A second run skips what is there. `--tests` adds what tests need;
 * `--no-executable` is for scripts that build one of their own.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureHostPackages } from "./setup/apt.mjs";
import { buildPackages, productPackages, testPackages } from "./setup/host-packages.mjs";
import { note, stage } from "./setup/progress.mjs";
import { run } from "./setup/run.mjs";
import { digestOf, whenChanged } from "./setup/stamp.mjs";
import { bringTools } from "./setup/tools.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bun = join(root, "node_modules", ".bin", "bun");

/** @param {{ tests: boolean, executable?: boolean }} options */
export async function setup({ tests, executable = true }) {
  if (process.platform !== "linux" || process.arch !== "x64") {
    note(`banger runs on Linux on x86_64; this is ${process.platform} on ${process.arch}`);
    process.exit(1);
  }
  await ensureHostPackages([...productPackages, ...buildPackages, ...(tests ? testPackages : [])]);
  await whenChanged(
    root,
    "dependencies",
    digestOf(root, ["package.json", "package-lock.json"]),
    ["node_modules/.package-lock.json"],
    () =>
      stage("installing dependencies from the lockfile", async (update) => {
        await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
          cwd: root,
          onLine: (line) => update(undefined, line.slice(0, 60)),
        });
      }),
  );
  await ensureBun();
  if (tests) await bringTools(root);
  await whenChanged(
    root,
    "native",
    digestOf(root, ["native", "package.json"]),
    ["build/native/agent", "build/native/init", "build/native/shim.so", "build/native/egress.so"],
    () => stage("compiling the native parts", () => run("make", ["-C", "native"], { cwd: root })),
  );
  if (!executable) return;
  await whenChanged(
    root,
    "executable",
    // The executable says which commit it is of.
    digestOf(root, [
      "src",
      "images",
      "native",
      "package.json",
      "package-lock.json",
      "scripts/build.ts",
      "scripts/compile.ts",
    ]) + commit(),
    ["dist/banger", "dist/bangerd"],
    () => stage("building dist/banger", () => run(bun, ["scripts/build.ts"], { cwd: root })),
  );
}

/** Empty outside a checkout. */
function commit() {
  return spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).stdout ?? "";
}

/** The pinned Bun comes as an npm package whose install script npm may have refused to run: then we run it. */
async function ensureBun() {
  const runs = () => existsSync(bun) && spawnSync(bun, ["--version"]).status === 0;
  if (runs()) return;
  await stage("unpacking Bun", () =>
    run(process.execPath, [join(root, "node_modules/bun/install.js")], {
      cwd: join(root, "node_modules/bun"),
    }),
  );
  if (!runs()) throw new Error("the pinned Bun does not run; remove node_modules and try again");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const executable = !process.argv.includes("--no-executable");
    await setup({ tests: process.argv.includes("--tests"), executable });
    if (executable) note("dist/banger is ready; try: dist/banger vm run --rm -- uname -a");
  } catch (error) {
    note(`setup: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
