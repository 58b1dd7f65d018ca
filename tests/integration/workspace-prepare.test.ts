/** Workspaces into a guest's shell, again and again: what is replaced, what is refused, what travels. */
import { expect, test } from "bun:test";
import { appendFileSync, existsSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { commitAll, git } from "./repo-fixture.ts";
import { pair, read, write } from "./workspace-fixture.ts";

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
  expect(git(both.guest, "status", "--porcelain")).toBe(" M moved.txt\n?? only.txt\n");
  commitAll(both.guest, "there");
  expect((await again()).err).toContain("\n        commits of refs/heads/main\n  hint");
  await both.ok("vm", "workspace", "prepare", "calm-otter", "--force");
  expect(git(both.guest, "rev-parse", "HEAD").trim()).toBe(second);
});

test("prepare touches only what has changed", async () => {
  using both = pair();
  await both.prepare();
  const touched = (name: string) => statSync(join(both.guest, name)).ctimeMs;
  const before = touched("a.txt");
  const other = touched("dir/b.txt");
  write(both.host, "dir/b.txt", "newer\n");
  write(both.host, "more/deep/c.txt", "c\n");
  commitAll(both.host, "two");
  await both.prepare();
  expect(touched("a.txt")).toBe(before);
  expect(touched("dir/b.txt")).not.toBe(other);
  expect(git(both.guest, "status", "--porcelain")).toBe("");
  git(both.host, "rm", "-qr", "more");
  write(both.host, "more", "a file now\n");
  symlinkSync("a.txt", join(both.host, "link"));
  commitAll(both.host, "three");
  await both.prepare();
  expect(read(both.guest, "more")).toBe("a file now\n");
  expect(git(both.guest, "status", "--porcelain")).toBe("");
  git(both.host, "rm", "-q", "more");
  write(both.host, "more/again", "a directory\n");
  commitAll(both.host, "four");
  await both.prepare();
  expect(git(both.guest, "status", "--porcelain")).toBe("");
  expect(git(both.guest, "diff", "HEAD")).toBe("");
  expect(touched("a.txt")).toBe(before);
});

test("a file that .bangerignore held back comes when it does no more", async () => {
  using both = pair();
  write(both.host, ".bangerignore", "dir/\n");
  await both.prepare("--include-untracked");
  expect(existsSync(join(both.guest, "dir/b.txt"))).toBe(false);
  write(both.host, ".bangerignore", "nothing\n");
  await both.prepare("--include-untracked");
  expect(read(both.guest, "dir/b.txt")).toBe("b\n");
  write(both.host, ".bangerignore", "dir/\n");
  await both.prepare("--include-untracked");
  expect(existsSync(join(both.guest, "dir/b.txt"))).toBe(false);
  expect(git(both.guest, "status", "--porcelain")).toBe("?? .bangerignore\n");
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

test("exec --auto-prepare leaves what the guest has made, when it is here too and nobody tracks it", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "made/there.txt", "made\n");
  await both.ok("vm", "pull", "calm-otter", "--apply");
  expect(read(both.host, "made/there.txt")).toBe("made\n");
  for (const edit of ["newer\n", "newest\n"]) {
    write(both.host, "dir/b.txt", edit);
    const said = await both.banger("vm", "exec", "calm-otter", "--auto-prepare", "--", "cat", "dir/b.txt");
    expect([said.status, said.out]).toEqual([0, edit]);
    expect(read(both.guest, "made/there.txt")).toBe("made\n");
  }
  // Once it is another one, one of the two would be lost.
  write(both.host, "made/there.txt", "mine\n");
  write(both.host, "dir/b.txt", "again\n");
  const refused = await both.banger("vm", "exec", "calm-otter", "--auto-prepare", "--", "true");
  expect([refused.status, refused.err.includes("made/there.txt")]).toEqual([1, true]);
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
  write(both.host, "plain.txt", "untracked, and not ignored\n");
  const { out } = await both.prepare("--dry-run", "--include", "ignored", "--include", ".env");
  expect(out).toContain("100644 .env (included)\n");
  expect(out).toContain("120000 ignored/link (included)\n");
  await both.prepare("--include", "ignored", "--include", join(both.host, ".env"), "--include", "plain.txt");
  expect(read(both.guest, ".env")).toBe("SECRET=1\n");
  expect(existsSync(join(both.guest, "ignored/.git"))).toBe(false);
  expect((await both.ok("vm", "diff", "calm-otter")).out).toBe("");
  expect(both.workspace?.include).toEqual(["ignored", join(both.host, ".env"), "plain.txt"]);
  for (const path of ["../x", "/etc", "out/passwd", ".git/config", "nothing", "."]) {
    const words = ["vm", "workspace", "prepare", "calm-otter", both.host, "--dry-run", "--include", path];
    expect([path, (await both.banger(...words)).status]).toEqual([path, 1]);
  }
});

test("exec --auto-prepare sends what is included again when that has changed, and only then", async () => {
  using both = pair();
  write(both.host, ".env", "ONE\n");
  write(both.host, "ignored/dep.js", "dep\n");
  await both.prepare("--include", ".env", "--include", "ignored");
  const exec = () =>
    both.banger("vm", "exec", "calm-otter", "--auto-prepare", "--", "cat", ".env", "ignored/dep.js");
  write(both.guest, "ignored/dep.js", "the guest's own\n");
  write(both.host, "a.txt", "newer\n");
  expect(await exec()).toEqual({ status: 0, out: "ONE\nthe guest's own\n", err: "" });
  write(both.host, ".env", "TWO, longer\n");
  expect((await exec()).out).toBe("TWO, longer\ndep\n");
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

test("a linked work tree, a shallow, a partial and a sparse clone go there and come back", async () => {
  using both = pair();
  const main = both.host;
  appendFileSync(join(main, "a.txt"), "two\n");
  commitAll(main, "two");
  git(main, "worktree", "add", "-q", join(both.temp.path, "linked"), "-b", "side");
  git(both.temp.path, "clone", "-q", "--depth", "1", `file://${main}`, "shallow");
  git(main, "config", "uploadpack.allowFilter", "true");
  git(both.temp.path, "clone", "-q", "--filter=blob:none", `file://${main}`, "partial");
  git(join(both.temp.path, "partial"), "remote", "set-url", "origin", "https://example.org/x.git");
  git(both.temp.path, "clone", "-q", `file://${main}`, "sparse");
  git(join(both.temp.path, "sparse"), "sparse-checkout", "set", "dir");
  for (const name of ["linked", "shallow", "partial", "sparse"]) {
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

test("a copy that is cut short is gone on with", async () => {
  using both = pair();
  await both.prepare();
  write(both.host, "a.txt", "newer\n");
  both.breakImport = true;
  const cut = await both.banger("vm", "workspace", "prepare", "calm-otter");
  expect([cut.status, cut.err.includes("is not complete now")]).toEqual([1, true]);
  expect(existsSync(join(both.guest, ".git.banger-old"))).toBe(true);
  both.breakImport = false;
  expect((await both.banger("vm", "diff", "calm-otter")).status).toBe(1);
  await both.ok("vm", "workspace", "prepare", "calm-otter");
  expect(read(both.guest, "a.txt")).toBe("newer\n");
  expect(git(both.guest, "status", "--porcelain")).toBe(" M a.txt\n");
  expect(existsSync(join(both.guest, ".git.banger-old"))).toBe(false);
});

test("a change beyond a sparse checkout comes into the working tree", async () => {
  using both = pair();
  write(both.host, "other/x.txt", "x\n");
  commitAll(both.host, "two");
  git(both.host, "sparse-checkout", "set", "dir");
  expect(existsSync(join(both.host, "other"))).toBe(false);
  await both.prepare();
  git(both.guest, "sparse-checkout", "disable");
  write(both.guest, "other/x.txt", "changed\n");
  expect((await both.ok("vm", "pull", "calm-otter", "--apply")).out).toBe("other/x.txt\n");
  expect(read(both.host, "other/x.txt")).toBe("changed\n");
});

test("two copies at once are one after the other", async () => {
  using both = pair();
  await both.prepare();
  write(both.host, "a.txt", "newer\n");
  const exec = () => both.banger("vm", "exec", "calm-otter", "--auto-prepare", "--", "cat", "a.txt");
  for (const { out, err } of await Promise.all([exec(), exec(), exec()]))
    expect([out, err]).toEqual(["newer\n", ""]);
  expect(both.daemon.methods.filter((method) => method === "workspace.import").length).toBe(2);
});
