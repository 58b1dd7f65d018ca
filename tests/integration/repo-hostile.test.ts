/** Nothing that a repository says is run, and no byte from outside travels: watched by strace and by canaries. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { commitAll, git, initRepository, tempDir, untar } from "./repo-fixture.ts";
import { configKinds } from "./repo-hostile-config.ts";
import { contentKinds } from "./repo-hostile-content.ts";
import { storageKinds } from "./repo-hostile-storage.ts";
import { canary, type Trap } from "./repo-hostile-trap.ts";

const hostileKinds = [...configKinds, ...storageKinds, ...contentKinds];
const temp = tempDir();
const at = (...parts: string[]) => join(temp.path, ...parts);
const mark = at("program-ran");
const withStrace = spawnSync("strace", ["-V"]).status === 0;
const results = new Map<
  string,
  { code?: string; message?: string; hint?: string; lines?: string[]; ms?: number }
>();
let calls: string[] = [];

// Git complains about the very content that some kinds are made of.
const lenient = ["-c", "fsck.gitmodulesPath=ignore", "-c", "fsck.gitmodulesUpdate=ignore"];

function trapFor(n: number): Trap {
  return {
    dir: at(`kind-${n}`),
    program: at("bin", "program"),
    secretFile: at("secret", "file"),
    secretDir: at("secret"),
    victim: at("victim"),
  };
}

/** Runs the driver, under strace where there is one, in an environment that tries to steer git as well. */
async function drive(
  paths: string[],
  env: Record<string, string>,
): Promise<{ out: string; execs: string[] }> {
  const driver = [process.execPath, join(import.meta.dir, "repo-driver.ts"), at("scratch"), ...paths];
  const log = at("strace.log");
  const strace = ["strace", "-f", "--seccomp-bpf", "-e", "trace=execve", "-s", "300", "-o", log];
  const [program = "", ...args] = withStrace ? [...strace, ...driver] : driver;
  const child = spawn(program, args, {
    cwd: paths[0]?.split("@")[0] ?? "/",
    env: { PATH: `.:${at("kind-0")}:${process.env.PATH ?? ""}`, HOME: at("home"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) throw new Error(`the driver ended with ${status}: ${Buffer.concat(err).toString()}`);
  const lines = withStrace ? readFileSync(log, "latin1").split("\n") : [];
  return {
    out: Buffer.concat(out).toString(),
    execs: lines.filter((line) => line.includes("execve(") && !line.includes("ENOENT")),
  };
}

beforeAll(async () => {
  if (!withStrace)
    console.log("strace is not installed: the list of started programs is not checked, the canaries are");
  mkdirSync(at("bin"));
  mkdirSync(at("secret"));
  mkdirSync(at("home"));
  writeFileSync(at("bin", "program"), `#!/bin/sh\necho "$0 $*" >> ${mark}\ncat\n`, { mode: 0o755 });
  writeFileSync(at("secret", "file"), `${canary}\n`);
  const victim = initRepository(at("victim"));
  writeFileSync(join(victim, "secret.txt"), canary);
  commitAll(victim);
  git(victim, "tag", "victim-tag");
  const arguments_: string[] = [];
  for (const [n, kind] of hostileKinds.entries()) {
    const trap = trapFor(n);
    initRepository(trap.dir);
    mkdirSync(join(trap.dir, "dir"));
    writeFileSync(join(trap.dir, "a"), "a\n");
    writeFileSync(join(trap.dir, "dir/b"), "b\n");
    commitAll(trap.dir);
    kind.build(trap);
    arguments_.push(kind.from === undefined ? trap.dir : `${trap.dir}@${kind.from}`);
  }
  rmSync(mark, { force: true }); // what building the traps sprang
  const { out, execs } = await drive(arguments_, {});
  calls = execs;
  for (const line of out.trim().split("\n")) {
    const result = JSON.parse(line);
    results.set(result.path, result);
  }
}, 240_000);

afterAll(() => temp[Symbol.dispose]());

test("no program but git's plumbing is started, and none of the repository's", () => {
  expect(existsSync(mark)).toBe(false);
  expect(existsSync(at("trace-was-written"))).toBe(false);
  if (!withStrace) return;
  const allowed =
    /execve\("\/[^"]*\/git", \["git", "--no-pager", "--literal-pathspecs", "(?:config|ls-files|diff-index|write-tree|commit-tree|for-each-ref|pack-objects|rev-parse|ls-tree|cat-file|update-index)"/;
  const foreign = calls.slice(1).filter((call) => !allowed.test(call) || call.includes(at("kind-")));
  expect(foreign).toEqual([]);
  expect(calls.length).toBeGreaterThan(hostileKinds.length);
});

for (const [n, kind] of hostileKinds.entries()) {
  const verdict = kind.refused === undefined ? "travels without harm" : "is refused";
  test(`${kind.name}: ${verdict}`, async () => {
    const { dir } = trapFor(n);
    const result = results.get(dir);
    expect(result).toBeDefined();
    expect({ code: result?.code, message: kind.refused ?? result?.message }).toEqual({
      code: kind.refused,
      message: kind.refused,
    });
    for (const text of [result?.message ?? "", result?.hint ?? "", ...(result?.lines ?? [])]) {
      expect(text).not.toMatch(/[\u0000-\u001f\u007f]/);
      expect(text.length).toBeLessThan(1000);
    }
    if (kind.refused !== undefined) {
      expect(existsSync(`${dir}.tar`)).toBe(false);
      return;
    }
    expect(readFileSync(`${dir}.tar`).includes(canary)).toBe(false);
    const to = at(`out-${n}`);
    mkdirSync(to);
    await untar(createReadStream(`${dir}.tar`), to);
    const objects = git(to, "cat-file", "--batch-all-objects", "--batch");
    expect(objects).not.toContain(canary);
    expect(git(to, "log", "--format=%s")).toContain("one");
    expect(git(to, ...lenient, "fsck", "--no-dangling")).toBe("");
    expect(kind.check?.(to)).toBeUndefined();
  });
}

test("the caller's GIT_ variables and BUN's working directory steer nothing", async () => {
  const dir = initRepository(at("env"));
  writeFileSync(join(dir, "a"), "a");
  commitAll(dir);
  writeFileSync(join(dir, "git"), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  const { out } = await drive([dir], {
    GIT_DIR: at("victim", ".git"),
    GIT_WORK_TREE: at("victim"),
    GIT_INDEX_FILE: at("victim", ".git", "index"),
    GIT_OBJECT_DIRECTORY: at("victim", ".git", "objects"),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: at("victim", ".git", "objects"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.fsmonitor",
    GIT_CONFIG_VALUE_0: at("bin", "program"),
    GIT_EXTERNAL_DIFF: at("bin", "program"),
    GIT_SSH_COMMAND: at("bin", "program"),
    GIT_EXEC_PATH: at("bin"),
    GIT_TRACE2_EVENT: at("trace-was-written"),
    GIT_PAGER: at("bin", "program"),
  });
  expect(JSON.parse(out).lines).toContain("100644 a");
  expect(existsSync(mark)).toBe(false);
  expect(existsSync(at("trace-was-written"))).toBe(false);
  expect(readFileSync(`${dir}.tar`).includes(canary)).toBe(false);
});

test("nothing is left in the scratch directory, and nothing is written into a repository", () => {
  expect(readdirSync(at("scratch"))).toEqual([]);
  const { dir } = trapFor(0);
  expect(readdirSync(join(dir, ".git")).filter((name) => name.endsWith(".lock"))).toEqual([]);
});

test("the traps are real: git itself springs one", () => {
  git(trapFor(0).dir, "status");
  expect(existsSync(mark)).toBe(true);
});
