/**
 * Other projects' test cases, as their packages carry them: fetched by the package manager's own client, held to a pinned
 * hash, and kept under build/corpora. Nothing of theirs is in this tree.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const kept = join(import.meta.dir, "../../build/corpora");

export interface GoModule {
  path: string;
  version: string;
  /** As go.sum has it, of the module's files. */
  sum: string;
}

const Downloaded = z.object({
  Dir: z.string().optional(),
  Sum: z.string().optional(),
  Error: z.string().optional(),
});

/** Of go's own making, all of it here; the hash is pinned, so nobody else is asked whether it is right. */
const goEnv = {
  ...process.env,
  ...{ GOMODCACHE: join(kept, "go"), GOCACHE: join(kept, "go-build"), GOFLAGS: "-modcacherw" },
  ...{ GOTOOLCHAIN: "local", GOSUMDB: "off", GO111MODULE: "on" },
};

function go(...args: string[]): { status: number | null; out: string; err: string } {
  mkdirSync(kept, { recursive: true });
  const run = spawnSync("go", args, { cwd: kept, env: goEnv, encoding: "utf8", maxBuffer: 64 * 1024 ** 2 });
  if (run.error !== undefined)
    throw new Error(`these cases come as a Go module, and go does not run: ${run.error.message}`);
  return { status: run.status, out: run.stdout, err: run.stderr };
}

/** Where its files are. Throws when it cannot be had, or is another. */
export function goModule({ path, version, sum }: GoModule): string {
  const named = `${path}@${version}`;
  const { out, err } = go("mod", "download", "-json", named);
  const { Dir, Sum, Error: why } = Downloaded.parse(out === "" ? { Error: err } : JSON.parse(out));
  if (why !== undefined || Dir === undefined) throw new Error(`${named} cannot be had: ${why ?? err}`);
  if (Sum !== sum) throw new Error(`${named} is another one: ${Sum}, not ${sum}`);
  return Dir;
}

/** Runs a program of this folder's that needs Go's own library alone, and returns what it prints. */
export function goRun(program: string, ...args: string[]): string {
  const { status, out, err } = go("run", join(import.meta.dir, program), ...args);
  if (status !== 0) throw new Error(`${program} failed: ${err}`);
  return out;
}

/** By python's own modules, which read all that Debian's python3 is made for. */
export function python(code: string, ...args: string[]): Buffer {
  const run = spawnSync("python3", ["-c", code, ...args], { maxBuffer: 256 * 1024 ** 2 });
  if (run.status !== 0) throw new Error(`python3 failed: ${run.error?.message ?? run.stderr}`);
  return run.stdout;
}

/** Only what begins as `beginning` says, a regular expression for the first four bytes in hex. */
export function unzip(archive: string, into: string, beginning = ""): void {
  const code = `
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
  for name in archive.namelist():
    if re.match(sys.argv[3], archive.open(name).read(4).hex()): archive.extract(name, sys.argv[2])`;
  python(code, archive, into, beginning);
}
