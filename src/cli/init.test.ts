import { afterAll, beforeEach, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "./run-cli.ts";
import { session } from "./testing/harness.ts";

const base = mkdtempSync(join(tmpdir(), "banger-init-"));
const root = join(base, "repo");
const file = join(root, "banger.toml");

async function init(...words: string[]) {
  const run = session();
  const status = await runCli(["init", ...words], { ...run.ctx, cwd: root });
  return { status, out: run.out(), err: run.err() };
}

beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "sub"), { recursive: true });
  execFileSync("git", ["init", "-q", root]);
  writeFileSync(join(root, "go.mod"), "module x\n");
});
afterAll(() => rmSync(base, { recursive: true }));

test("init writes a banger.toml at the repository's root and says where", async () => {
  expect(await init("sub")).toEqual({ status: 0, out: `${file}\n`, err: "" });
  expect(readFileSync(file, "utf8")).toContain("# Found: Go (go.mod)");
  expect(readdirSync(root).sort()).toEqual([".git", "banger.toml", "go.mod", "sub"]);
});

test("init replaces nothing unless it is told to, and follows no link", async () => {
  const outside = join(base, "outside");
  writeFileSync(outside, "mine");
  symlinkSync(outside, file);
  const refused = await init();
  expect([refused.status, refused.err]).toEqual([1, expect.stringContaining(`there is ${file} already`)]);
  expect((await init("--force")).status).toBe(0);
  expect(readFileSync(outside, "utf8")).toBe("mine");
  expect(lstatSync(file).isFile()).toBe(true);
});

test.each(["--stdout", "--dry-run"])("init %s only prints", async (flag) => {
  const { status, out } = await init(flag);
  expect(status).toBe(0);
  expect(out).toStartWith("# What `banger vm run` gives");
  expect(existsSync(file)).toBe(false);
});

test("init needs a repository", async () => {
  const { status, err } = await init(base);
  expect([status, err]).toEqual([1, expect.stringContaining("is not in a git repository")]);
});

test("init leaves no part of a banger.toml when the disk is full", async () => {
  writeFileSync(join(root, ".devcontainer.json"), JSON.stringify({ containerEnv: { A: "a".repeat(2000) } }));
  const main = join(import.meta.dir, "../main.ts");
  // A limit is as good: the first KiB can be written.
  const words = ["-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh", process.execPath, main, "init"];
  const { status } = spawnSync("/bin/sh", words, { cwd: root, stdio: "ignore" });
  expect(status).not.toBe(0);
  expect(existsSync(file)).toBe(false);
});
