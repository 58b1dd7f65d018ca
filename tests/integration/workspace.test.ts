/** Workspaces both ways between a real repository and a guest's shell: copied, looked at, brought back, copied again. */
import { expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { commitAll, git } from "./repo-fixture.ts";
import { Pair } from "./workspace-fixture.ts";

const lines = (n: number) => Array.from({ length: n }, (_, i) => `line ${i}\n`).join("");

function pair(): Pair {
  const both = new Pair();
  write(both.host, "a.txt", lines(30));
  write(both.host, "dir/b.txt", "b\n");
  write(both.host, "bin", Buffer.from([0, 1, 2, 255, 10]));
  write(both.host, ".gitignore", "ignored/\n.env\n");
  commitAll(both.host);
  return both;
}

function write(dir: string, name: string, content: string | Uint8Array): void {
  mkdirSync(join(dir, name, ".."), { recursive: true });
  writeFileSync(join(dir, name), content);
}

const read = (dir: string, name: string) => readFileSync(join(dir, name), "utf8");
const replace = (dir: string, name: string, from: string, to: string) =>
  writeFileSync(join(dir, name), read(dir, name).replace(from, to));

test("diff shows the guest's commits and edits, and nothing of what was uncommitted here", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "edited here\n");
  write(both.host, "new.txt", "untracked here\n");
  await both.prepare("--include-untracked");
  expect((await both.ok("vm", "diff", "calm-otter")).out).toBe("");
  replace(both.guest, "a.txt", "line 3\n", "line three\n");
  commitAll(both.guest, "third");
  write(both.guest, "added.txt", "added\n");
  write(both.guest, "ignored/x", "never\n");
  write(both.guest, "bin", Buffer.from([255, 0, 7]));
  const before = git(both.guest, "status", "--porcelain");
  const { out } = await both.ok("vm", "diff", "calm-otter");
  expect(out).toContain("+line three");
  expect(out).toContain("+added");
  expect(out).toContain("GIT binary patch");
  expect(out).not.toContain("here");
  expect(out).not.toContain("never");
  expect(git(both.guest, "status", "--porcelain")).toBe(before);
  expect(git(both.guest, "count-objects").startsWith("0 ")).toBe(false);
  const stat = (await both.ok("vm", "diff", "calm-otter", "--stat")).out;
  expect(stat).toContain(" third\n");
  expect(stat).toContain("3 files changed");
});

test("export is the working tree against HEAD or another commit, and changes nothing there", async () => {
  using both = pair();
  await both.prepare();
  const first = git(both.guest, "rev-parse", "HEAD").trim();
  write(both.guest, "dir/b.txt", "committed\n");
  commitAll(both.guest, "second");
  write(both.guest, "dir/c.txt", "not committed\n");
  git(both.guest, "add", "dir/c.txt");
  write(both.guest, "dir/c.txt", "edited after add\n");
  const files = () => [
    git(both.guest, "ls-files", "-s"),
    git(both.guest, "count-objects"),
    git(both.guest, "for-each-ref"),
  ];
  const before = files();
  const file = join(both.temp.path, "out.patch");
  await both.ok("vm", "workspace", "export", "calm-otter", "--output", file);
  expect(read(file, "")).toContain("+edited after add");
  expect(read(file, "")).not.toContain("committed\n");
  const { out } = await both.ok("vm", "workspace", "export", "calm-otter", "--base-commit", first);
  expect(out).toContain("+committed");
  expect(files()).toEqual(before);
  // It applies where it came from.
  const patch = join(both.temp.path, "all.patch");
  writeFileSync(patch, out);
  git(both.host, "apply", patch);
  expect(read(both.host, "dir/c.txt")).toBe("edited after add\n");
  const refused = await both.banger("vm", "workspace", "export", "calm-otter", "--base-commit", "nonsense");
  expect([refused.status, refused.err.includes("nonsense is no commit in the guest")]).toEqual([1, true]);
});

test("pull makes a branch of the guest's commits, author and message kept, and of what is uncommitted", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "dir/b.txt", "one\n");
  git(
    both.guest,
    "-c",
    "user.name=Guest",
    "-c",
    "user.email=g@x",
    "commit",
    "-qam",
    "from the guest\n\nbody",
    "--author=Other <o@x>",
  );
  const head = git(both.guest, "rev-parse", "HEAD").trim();
  write(both.guest, "loose.txt", "loose\n");
  chmodSync(join(both.guest, "a.txt"), 0o755);
  const status = git(both.host, "status", "--porcelain");
  const { out, err } = await both.ok("vm", "pull", "calm-otter");
  expect(out).toBe("banger/calm-otter\n");
  expect(err).toContain("1 commit and uncommitted changes of calm-otter");
  expect(git(both.host, "rev-parse", "banger/calm-otter^").trim()).toBe(head);
  expect(git(both.host, "log", "--format=%an %ae %B", "-1", head)).toContain(
    "Other o@x from the guest\n\nbody",
  );
  expect(git(both.host, "show", "banger/calm-otter:loose.txt")).toBe("loose\n");
  expect(git(both.host, "ls-tree", "banger/calm-otter", "a.txt")).toStartWith("100755");
  expect(git(both.host, "status", "--porcelain")).toBe(status);
  expect(git(both.host, "fsck", "--strict", "--no-dangling")).toBe("");
  // Again, later: the branch is banger's, so it follows, and its reflog keeps where it was.
  const earlier = git(both.host, "rev-parse", "banger/calm-otter").trim();
  write(both.guest, "loose.txt", "more\n");
  await both.ok("vm", "pull", "calm-otter");
  expect(git(both.host, "show", "banger/calm-otter:loose.txt")).toBe("more\n");
  expect(git(both.host, "rev-parse", "banger/calm-otter@{1}").trim()).toBe(earlier);
});

test("pull takes no commit off a branch that is not its own, without --force", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "dir/b.txt", "one\n");
  await both.ok("vm", "pull", "calm-otter");
  git(both.host, "switch", "-q", "banger/calm-otter");
  const refused = await both.banger("vm", "pull", "calm-otter");
  expect(refused.err).toContain("is checked out");
  write(both.host, "own.txt", "own\n");
  const own = commitAll(both.host, "my own");
  git(both.host, "switch", "-q", "main");
  write(both.guest, "dir/b.txt", "two\n");
  expect((await both.banger("vm", "pull", "calm-otter")).err).toContain("commits that would be taken off it");
  expect(git(both.host, "rev-parse", "banger/calm-otter").trim()).toBe(own);
  await both.ok("vm", "pull", "calm-otter", "--branch", "other/name");
  expect(git(both.host, "show", "other/name:dir/b.txt")).toBe("two\n");
  await both.ok("vm", "pull", "calm-otter", "--force");
  expect(git(both.host, "rev-parse", "banger/calm-otter@{1}").trim()).toBe(own);
  expect((await both.banger("vm", "pull", "calm-otter", "--branch", "main/x")).err).toContain(
    "there is a branch main",
  );
});

test("pull --apply merges with what has changed here, and leaves index and commits alone", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "uncommitted here\n");
  await both.prepare();
  replace(both.guest, "a.txt", "line 3\n", "line three\n");
  write(both.guest, "deep/er/new.txt", "new\n");
  rmSync(join(both.guest, "bin"));
  commitAll(both.guest, "work");
  replace(both.host, "a.txt", "line 25\n", "line twenty-five\n");
  git(both.host, "commit", "-qm", "here", "a.txt");
  const index = git(both.host, "ls-files", "-s");
  const { out, err } = await both.ok("vm", "pull", "calm-otter", "--apply");
  expect(out.split("\n").sort()).toEqual(["", "a.txt", "bin", "deep/er/new.txt"]);
  expect(err).toBe("");
  expect(read(both.host, "a.txt")).toContain("line three");
  expect(read(both.host, "a.txt")).toContain("line twenty-five");
  expect(read(both.host, "dir/b.txt")).toBe("uncommitted here\n");
  expect(existsSync(join(both.host, "bin"))).toBe(false);
  expect(git(both.host, "ls-files", "-s")).toBe(index);
  expect(existsSync(join(both.host, ".git/banger/calm-otter.patch"))).toBe(false);
  // What is here already is nothing to apply.
  expect((await both.ok("vm", "pull", "calm-otter", "--apply")).out).toBe("");
  expect(read(both.host, "a.txt")).toContain("line twenty-five");
});

test("pull --apply does nothing where an edit that is in no commit would go, and keeps the patch", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "dir/b.txt", "there\n");
  write(both.guest, "new.txt", "there\n");
  write(both.guest, "fine.txt", "fine\n");
  write(both.host, "dir/b.txt", "here\n");
  write(both.host, "new.txt", "here\n");
  const { status, err, out } = await both.banger("vm", "pull", "calm-otter", "--apply");
  expect([status, out]).toEqual([1, ""]);
  expect(err).toContain("\n        dir/b.txt\n        new.txt\n");
  expect(read(both.host, "dir/b.txt")).toBe("here\n");
  expect(read(both.host, "new.txt")).toBe("here\n");
  expect(existsSync(join(both.host, "fine.txt"))).toBe(false);
  const patch = join(both.host, ".git/banger/calm-otter.patch");
  expect(err).toContain(patch);
  expect(read(patch, "")).toContain("+there");
  // A second one does not write over the first.
  expect((await both.banger("vm", "pull", "calm-otter", "--apply")).err).toContain("calm-otter-2.patch");
});

test("pull --apply reports conflicts with what is committed here, marked or left", async () => {
  using both = pair();
  await both.prepare();
  replace(both.guest, "a.txt", "line 3\n", "there\n");
  write(both.guest, "bin", Buffer.from([9, 0, 9]));
  write(both.guest, "dir/b.txt", "there\n");
  replace(both.host, "a.txt", "line 3\n", "here\n");
  write(both.host, "bin", Buffer.from([8, 0, 8]));
  git(both.host, "rm", "-q", "dir/b.txt");
  commitAll(both.host, "here");
  const { status, err } = await both.banger("vm", "pull", "calm-otter", "--apply");
  expect(status).toBe(1);
  expect(err).toContain("conflict, marked in the file: a.txt");
  expect(err).toContain("conflict, left as it is here: bin");
  expect(err).toContain("conflict, left as it is here: dir/b.txt");
  expect(err).toContain(".git/banger/calm-otter.patch");
  expect(read(both.host, "a.txt")).toContain("<<<<<<< here\nhere\n");
  expect(read(both.host, "a.txt")).toContain(">>>>>>> VM calm-otter\n");
  expect([...readFileSync(join(both.host, "bin"))]).toEqual([8, 0, 8]);
  expect(existsSync(join(both.host, "dir/b.txt"))).toBe(false);
});

test("an uncommitted edit of here that the guest went on with is changed on, and its patch is kept", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "precious\n");
  await both.prepare();
  write(both.guest, "dir/b.txt", "b\n");
  const { err } = await both.ok("vm", "pull", "calm-otter", "--apply");
  expect(read(both.host, "dir/b.txt")).toBe("b\n");
  const patch = join(both.host, ".git/banger/calm-otter.patch");
  expect(err).toContain(patch);
  git(both.host, "apply", "-R", patch);
  expect(read(both.host, "dir/b.txt")).toBe("precious\n");
});

test("nothing new is nothing to pull, also when the host was dirty", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "dirty\n");
  await both.prepare();
  for (const more of [[], ["--apply"]]) {
    const { out, err } = await both.ok("vm", "pull", "calm-otter", ...more);
    expect([out, err.includes("nothing new")]).toEqual(["", true]);
  }
  expect(git(both.host, "branch", "--list", "banger/*")).toBe("");
});

test("prepare replaces what it brought, keeps what git ignores there, and refuses to lose anything", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "ignored/cache", "kept\n");
  git(both.host, "mv", "dir/b.txt", "moved.txt");
  write(both.host, "a.txt", "short\n");
  const second = commitAll(both.host, "two");
  await both.prepare();
  expect(git(both.guest, "rev-parse", "HEAD").trim()).toBe(second);
  expect(git(both.guest, "status", "--porcelain")).toBe("");
  expect(existsSync(join(both.guest, "dir"))).toBe(false);
  expect(read(both.guest, "ignored/cache")).toBe("kept\n");
  expect(both.workspace).toMatchObject({ hostPath: both.host, head: second });

  write(both.guest, "moved.txt", "edited there\n");
  write(both.guest, "only.txt", "there\n");
  const again = () => both.banger("vm", "workspace", "prepare", "calm-otter");
  const refused = await again();
  expect(refused.status).toBe(1);
  expect(refused.err).toContain("\n        moved.txt\n        only.txt\n");
  // What is here as well is no loss.
  write(both.host, "moved.txt", "edited there\n");
  write(both.host, "only.txt", "there\n");
  expect((await again()).status).toBe(0);
  expect(git(both.guest, "status", "--porcelain")).toBe(" M moved.txt\n");
  commitAll(both.guest, "there");
  expect((await again()).err).toContain("\n        commits of refs/heads/main\n        commits of HEAD\n");
  await both.ok("vm", "workspace", "prepare", "calm-otter", "--force");
  expect(git(both.guest, "rev-parse", "HEAD").trim()).toBe(second);
});

test("prepare into a directory that banger does not know needs --force", async () => {
  using both = pair();
  write(both.guest, "mine", "mine\n");
  const words = ["vm", "workspace", "prepare", "calm-otter", both.host, "--guest-path", both.guest];
  expect((await both.banger(...words)).err).toContain("files that banger did not put there");
  await both.ok(...words, "--force");
  expect(read(both.guest, "mine")).toBe("mine\n");
  expect(git(both.guest, "status", "--porcelain")).toBe("?? mine\n");
});

test("exec --auto-prepare copies only what has changed here, and a plain exec warns of another HEAD", async () => {
  using both = pair();
  write(both.host, "untracked.txt", "u\n");
  await both.prepare("--include-untracked");
  const imports = () => both.daemon.methods.filter((method) => method === "workspace.import").length;
  const exec = (...words: string[]) =>
    both.banger("vm", "exec", "calm-otter", ...words, "--", "cat", "dir/b.txt");
  expect(await exec("--auto-prepare")).toEqual({ status: 0, out: "b\n", err: "" });
  expect(imports()).toBe(1);
  write(both.host, "dir/b.txt", "newer\n");
  expect((await exec("--auto-prepare")).out).toBe("newer\n");
  expect(imports()).toBe(2);
  expect(read(both.guest, "untracked.txt")).toBe("u\n");
  expect((await exec()).err).toBe("");
  const head = commitAll(both.host, "moved on");
  const warned = await exec();
  expect([warned.out, warned.err.includes(`is at ${head.slice(0, 12)}`)]).toEqual(["newer\n", true]);
  expect((await exec("--auto-prepare")).err).toBe("");
  expect((await exec()).err).toBe("");
});

test(".bangerignore keeps tracked files here, and git in the guest takes them for unchanged", async () => {
  using both = pair();
  write(both.host, ".bangerignore", "dir/\n*.big\n!keep.big\n");
  write(both.host, "x.big", "big\n");
  write(both.host, "keep.big", "kept\n");
  commitAll(both.host, "two");
  write(both.host, "loose.big", "untracked\n");
  const { out } = await both.prepare("--dry-run", "--include-untracked");
  expect(out).toContain("not copied, by .bangerignore: x.big\n");
  expect(out).not.toContain("100644 dir/b.txt");
  expect(out).not.toContain("loose.big");
  const { err } = await both.prepare("--include-untracked");
  expect(err).toContain("skipped 2 tracked files, as .bangerignore says");
  expect([existsSync(join(both.guest, "x.big")), existsSync(join(both.guest, "keep.big"))]).toEqual([
    false,
    true,
  ]);
  expect(git(both.guest, "status", "--porcelain")).toBe("");
  expect((await both.ok("vm", "diff", "calm-otter")).out).toBe("");
  write(both.guest, "a.txt", "changed\n");
  await both.ok("vm", "pull", "calm-otter");
  expect(git(both.host, "diff", "--name-only", "main", "banger/calm-otter")).toBe("a.txt\n");
});

test("--include copies what git ignores, as links where it has links, and no .git below", async () => {
  using both = pair();
  write(both.host, "ignored/lib/code.js", "code\n");
  write(both.host, "ignored/.git/config", "no\n");
  symlinkSync("/etc/passwd", join(both.host, "ignored/link"));
  symlinkSync("/etc", join(both.host, "out"));
  write(both.host, ".env", "SECRET=1\n");
  const { out } = await both.prepare("--dry-run", "--include", "ignored", "--include", ".env");
  expect(out).toContain("100644 .env (included)\n");
  expect(out).toContain("120000 ignored/link (included)\n");
  await both.prepare("--include", "ignored", "--include", join(both.host, ".env"));
  expect(read(both.guest, ".env")).toBe("SECRET=1\n");
  expect(existsSync(join(both.guest, "ignored/.git"))).toBe(false);
  expect((await both.ok("vm", "diff", "calm-otter")).out).toBe("");
  expect(both.workspace?.include).toEqual(["ignored", join(both.host, ".env")]);
  for (const path of ["../x", "/etc", "out/passwd", ".git/config", "nothing", "."]) {
    const words = ["vm", "workspace", "prepare", "calm-otter", both.host, "--dry-run", "--include", path];
    expect([path, (await both.banger(...words)).status]).toEqual([path, 1]);
  }
});

test("pointers of Git LFS are told of; content that stands in their place travels", async () => {
  using both = pair();
  write(both.host, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;
  write(both.host, "one.bin", pointer);
  write(both.host, "two.bin", pointer);
  commitAll(both.host, "lfs");
  expect((await both.prepare()).err).toContain("one.bin and 1 more are pointers of Git LFS");
  write(both.host, "one.bin", "content\n".repeat(1000));
  write(both.host, "two.bin", "content\n".repeat(1000));
  expect((await both.prepare()).err).not.toContain("LFS");
  expect(read(both.guest, "one.bin")).toStartWith("content\n");
});

test("a linked work tree, a shallow clone and a sparse checkout go there and come back", async () => {
  using both = pair();
  const main = both.host;
  appendFileSync(join(main, "a.txt"), "two\n");
  commitAll(main, "two");
  git(main, "worktree", "add", "-q", join(both.temp.path, "linked"), "-b", "side");
  git(both.temp.path, "clone", "-q", "--depth", "1", `file://${main}`, "shallow");
  git(both.temp.path, "clone", "-q", `file://${main}`, "sparse");
  git(join(both.temp.path, "sparse"), "sparse-checkout", "set", "dir");
  for (const name of ["linked", "shallow", "sparse"]) {
    const from = join(both.temp.path, name);
    const to = join(both.temp.path, "guest", name);
    await both.ok("vm", "workspace", "prepare", "calm-otter", from, "--guest-path", to);
    write(to, "dir/b.txt", `from ${name}\n`);
    commitAll(to, name);
    await both.ok("vm", "pull", "calm-otter", "--branch", `got-${name}`);
    expect(git(from, "diff", "--stat", `HEAD..got-${name}`)).toContain("1 file changed");
    await both.ok("vm", "pull", "calm-otter", "--apply");
    expect(read(from, "dir/b.txt")).toBe(`from ${name}\n`);
    git(from, "fsck", "--no-dangling");
  }
});
