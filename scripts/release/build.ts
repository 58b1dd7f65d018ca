/** Builds a commit in a clone of its own, with the dependencies of its lockfile: what a checkout has beside that is not in it. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import { runTool } from "../publish/tool.ts";
import type { Source } from "./source.ts";

/** What may come from whoever builds: who they are, their network, their registry. No CC, no CFLAGS, no NODE_OPTIONS. */
const passed =
  /^(?:PATH|HOME|USER|TMPDIR|CI|.*_proxy|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS|npm_config_(?:registry|cafile|cache|userconfig))$/i;

/** Of SOURCE_DATE_EPOCH every step of the build takes what it says of time. */
export function buildEnv(epoch: number): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => passed.test(name));
  return { ...Object.fromEntries(mine), SOURCE_DATE_EPOCH: String(epoch), LC_ALL: "C", TZ: "UTC" };
}

/** A checkout of the commit, and of nothing else, in `dir`, which is made. */
export function cloneInto({ root, commit }: Source, dir: string): void {
  mkdirSync(dirname(dir), { recursive: true });
  // Not hard links into somebody's objects, nor their hooks; and gone before it could miss them.
  runTool("git", ["clone", "--quiet", "--shared", "--no-checkout", "--template=", root, dir]);
  runTool("git", ["-C", dir, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit]);
}

/** Set up as a fresh checkout is: `dir` is made and left, with its dependencies and dist/banger. Throws operation_failed. */
export function setUp(source: Source, dir: string): void {
  cloneInto(source, dir);
  runIn(dir, source.epoch, "node", ["scripts/setup.mjs"]);
}

/** Shows what the program says. Throws operation_failed. */
export function runIn(dir: string, epoch: number, program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, {
    ...{ cwd: dir, env: buildEnv(epoch) },
    stdio: ["ignore", 2, 2],
  });
  if (status === 0) return;
  throw new BangerError(
    "operation_failed",
    `${[program, ...args].join(" ")} failed${error === undefined ? ", for the reason above" : `: ${error.message}`}`,
    { cause: error },
  );
}

/** The executable that set-up has made. Throws corrupt when it is not the commit's. */
export function builtProgram({ commit, version }: Source, dir: string): Buffer {
  const program = join(dir, "dist/banger");
  const said = runTool(program, ["--version"]).toString().trim();
  if (!said.startsWith(`banger v${version} (commit ${commit.slice(0, 8)}`) || said.includes("+dirty")) {
    throw new BangerError("corrupt", `what was built says it is another one: ${said.slice(0, 200)}`, {
      hint: "look whether the build changes files of the source: git status in a fresh clone, after npm run setup",
    });
  }
  return readFileSync(program);
}
