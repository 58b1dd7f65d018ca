/** A repository goes through packing and tar, and git finds the same on the other side. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  dryRunLines,
  gitProcessCount,
  listFiles,
  openRepository,
  packWorkspace,
} from "../../src/repo/repo.ts";
import { commitAll, copyRepository, git, initRepository, tempDir } from "./repo-fixture.ts";

const history = ["log", "--exclude=refs/banger/*", "--all", "--format=%H %an %s %D"];
const status = ["status", "--porcelain=v1", "-z", "--untracked-files=all"];

function write(dir: string, name: string | Buffer, content: string | Buffer): void {
  const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
  const slash = path.lastIndexOf(0x2f);
  mkdirSync(path.subarray(0, slash), { recursive: true });
  writeFileSync(path, content);
}

test("staged, unstaged, deleted, intent-to-add, mode, type and untracked changes arrive as git status shows them", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  for (const name of [
    "staged",
    "both",
    "edited",
    "deleted",
    "removed",
    "mode",
    "type",
    "dir/same",
    "renamed",
  ]) {
    write(from, name, `${name}\n`.repeat(5));
  }
  write(from, ".gitignore", "*.log\n");
  commitAll(from);
  git(from, "tag", "-a", "v1", "-m", "first");
  write(from, "dir/second", "2");
  commitAll(from, "two");
  git(from, "tag", "light");
  write(from, "staged", "new");
  write(from, "both", "index");
  git(from, "add", "staged", "both");
  write(from, "both", "work tree");
  write(from, "edited", "edited");
  rmSync(join(from, "deleted"));
  git(from, "rm", "-q", "removed");
  chmodSync(join(from, "mode"), 0o755);
  rmSync(join(from, "type"));
  symlinkSync("dir", join(from, "type"));
  git(from, "mv", "renamed", "moved");
  write(from, "intent", "intent");
  git(from, "add", "-N", "intent");
  write(from, "untracked/a", "u");
  write(from, "ignored.log", "never");

  const to = join(temp.path, "to");
  const packed = await copyRepository(from, to, join(temp.path, "scratch"), { includeUntracked: true });

  expect(git(to, ...status)).toBe(git(from, ...status));
  expect(git(to, ...history)).toBe(git(from, ...history));
  expect(git(to, "describe")).toBe(git(from, "describe"));
  expect(git(to, "diff", "--cached")).toBe(git(from, "diff", "--cached"));
  expect(git(to, "diff")).toBe(git(from, "diff"));
  expect(git(to, "fsck", "--strict")).toBe("");
  expect(() => lstatSync(join(to, "ignored.log"))).toThrow(/ENOENT/);
  expect(packed.branch).toBe("main");
  expect(packed.head).toBe(git(from, "rev-parse", "HEAD").trim());
  git(to, "commit", "-q", "-a", "-m", "in the guest");
  git(to, "switch", "-q", "-c", "more");
  expect(git(to, "fsck", "--strict", "--no-dangling")).toBe("");
});

test("untracked files stay behind unless asked for, ignored ones always, and the count is told", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "a");
  write(from, ".gitignore", "*.log\n");
  commitAll(from);
  write(from, ".git/info/exclude", "private\n");
  write(from, "private", "x");
  write(from, "x.log", "x");
  write(from, "new/one", "x");
  write(from, "two", "x");
  initRepository(join(from, "inner"));
  commitAll(join(from, "inner"));
  const to = join(temp.path, "to");
  const packed = await copyRepository(from, to, join(temp.path, "scratch"));
  expect([packed.files, packed.skippedUntracked]).toEqual([2, 2]);
  expect(git(to, ...status)).toBe("");
  const repo = await openRepository(from, { scratchBase: join(temp.path, "scratch") });
  const lines = [...dryRunLines(repo, await listFiles(repo, { includeUntracked: true }))];
  repo.close();
  expect(lines).toEqual([
    `workspace ${from} (tracked and untracked files)`,
    "100644 .gitignore",
    "100644 a",
    "100644 new/one (untracked)",
    "100644 two (untracked)",
    "skipped a repository inside: inner",
    "4 files, 9B, and the history of HEAD",
  ]);
});

test("names of any bytes, links of any target, modes and times arrive exactly", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  const names = [
    "plain",
    "with space",
    "new\nline",
    "tab\tquote\"'`$(id)\\",
    "-rf",
    "--",
    "ünï/日本",
    Buffer.from([0x66, 0xff, 0xfe, 0x80]),
    Buffer.from([0xc3, 0x28, 0x2f, 0xe2, 0x82]),
    "n".repeat(255),
    `${"deep/".repeat(60)}${"m".repeat(255)}`,
    ".hidden",
    "...",
    "Case",
    "case",
    "*?[x]",
    ":(top)x",
    "\u001b[31mred",
  ].map((name) => Buffer.from(name));
  for (const [n, name] of names.entries()) write(from, name, `content ${n}`);
  write(from, "empty", "");
  write(from, "exact", Buffer.alloc(512, 1));
  write(from, "large", Buffer.alloc(3 * 1024 * 1024 + 17, "abc"));
  chmodSync(join(from, "plain"), 0o755);
  utimesSync(join(from, "plain"), 1_600_000_000, 1_600_000_000);
  for (const [name, target] of [
    ["dangling", "nowhere"],
    ["absolute", "/etc/passwd"],
    ["loop", "loop"],
    ["up", "../../.."],
    ["long", "x/".repeat(200)],
  ] as const) {
    symlinkSync(target, join(from, name));
  }
  symlinkSync(Buffer.from([0xff, 0x0a]), join(from, "raw"));
  commitAll(from);
  const to = join(temp.path, "to");
  await copyRepository(from, to, join(temp.path, "scratch"));

  for (const [n, name] of names.entries()) {
    expect(readFileSync(Buffer.concat([Buffer.from(`${to}/`), name]), "utf8")).toBe(`content ${n}`);
  }
  for (const name of ["dangling", "absolute", "loop", "up", "long", "raw"]) {
    const link = (dir: string) => readlinkSync(join(dir, name), { encoding: "buffer" });
    expect(link(to).equals(link(from))).toBe(true);
  }
  expect(readFileSync(join(to, "large")).equals(readFileSync(join(from, "large")))).toBe(true);
  expect(lstatSync(join(to, "plain")).mode & 0o777).toBe(0o755);
  expect(lstatSync(join(to, "plain")).mtimeMs).toBe(1_600_000_000_000);
  expect(git(to, "ls-files", "-s", "-z")).toBe(git(from, "ls-files", "-s", "-z"));
  expect(git(to, ...status)).toBe("");
});

test("git in the guest reads no unchanged file again", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  for (let n = 0; n < 20; n += 1) write(from, `f${n}`, `${n}`);
  for (let n = 0; n < 20; n += 1) utimesSync(join(from, `f${n}`), 1_600_000_000, 1_600_000_000);
  commitAll(from);
  const to = join(temp.path, "to");
  await copyRepository(from, to, join(temp.path, "scratch"));
  const debug = git(to, "ls-files", "--debug");
  expect(debug.match(/mtime: 1600000000:0/g)).toHaveLength(20);
  // The content is a lie that the size hides: only a git that trusts the stat data says that nothing changed.
  writeFileSync(join(to, "f3"), "x");
  utimesSync(join(to, "f3"), 1_600_000_000, 1_600_000_000);
  expect(git(to, ...status)).toBe("");
});

test("a run costs five git processes", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "a");
  commitAll(from);
  const before = gitProcessCount();
  await copyRepository(from, join(temp.path, "to"), join(temp.path, "scratch"));
  expect(gitProcessCount() - before).toBe(5);
});

test("a conflict in the index arrives as a conflict", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "base\n");
  commitAll(from);
  git(from, "switch", "-q", "-c", "other");
  write(from, "a", "other\n");
  commitAll(from);
  git(from, "switch", "-q", "main");
  write(from, "a", "main\n");
  commitAll(from);
  expect(() => git(from, "merge", "-q", "other")).toThrow();
  const to = join(temp.path, "to");
  await copyRepository(from, to, join(temp.path, "scratch"));
  expect(git(to, ...status)).toBe(git(from, ...status));
  expect(git(to, "ls-files", "-u")).toBe(git(from, "ls-files", "-u"));
});

test("a moved file system clock or a copied repository only costs git a look, not its answer", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "a");
  commitAll(from);
  write(from, "a", "b"); // same size, and within the clock's grain of the index
  renameSync(from, join(temp.path, "moved"));
  const to = join(temp.path, "to");
  await copyRepository(join(temp.path, "moved"), to, join(temp.path, "scratch"));
  expect(git(to, ...status)).toBe(" M a\0");
});

test("one opened repository can be packed again and again", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "a");
  commitAll(from);
  const scratch = join(temp.path, "scratch");
  const repo = await openRepository(from, { scratchBase: scratch });
  const sizes = new Set<number>();
  for (let n = 0; n < 3; n += 1) {
    const packed = await packWorkspace(repo, { includeUntracked: false });
    sizes.add(Buffer.concat(await packed.stream.toArray()).length);
  }
  repo.close();
  expect(sizes.size).toBe(1);
});
