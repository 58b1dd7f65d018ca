/** Workspaces both ways between a real repository and a guest's shell: looked at and brought back. */
import { expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { commitAll, git } from "./repo-fixture.ts";
import { pair, read, write } from "./workspace-fixture.ts";

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
  const nowhere = await both.banger("vm", "workspace", "export", "calm-otter", "-o", "/nowhere/x");
  expect([nowhere.status, nowhere.err.includes('"/nowhere/x" could not be written')]).toEqual([1, true]);
  const words = ["vm", "workspace", "export", "calm-otter", "-o", file, "--base-commit", "nonsense"];
  expect((await both.banger(...words)).status).toBe(1);
  expect(read(file, "")).toContain("+edited after add");
  expect(readdirSync(both.temp.path).filter((name) => name.startsWith(".banger-"))).toEqual([]);
});

test("export writes into what is no file, and through a link, and replaces neither", async () => {
  using both = pair();
  await both.prepare();
  write(both.guest, "dir/b.txt", "there\n");
  const at = (name: string) => join(both.temp.path, name);
  execFileSync("mkfifo", [at("pipe")]);
  const reader = spawn("cat", [at("pipe")], { stdio: ["ignore", "pipe", "ignore"] });
  const heard = text(reader.stdout);
  await both.ok("vm", "workspace", "export", "calm-otter", "-o", at("pipe"));
  expect(await heard).toContain("+there");
  expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
  writeFileSync(at("file"), "old");
  symlinkSync("file", at("link"));
  await both.ok("vm", "workspace", "export", "calm-otter", "-o", at("link"));
  expect(lstatSync(at("link")).isSymbolicLink()).toBe(true);
  expect(read(at("file"), "")).toContain("+there");
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
  expect((await both.ok("vm", "pull", "calm-otter")).err).toContain("uncommitted changes of calm-otter");
  expect(git(both.host, "show", "banger/calm-otter:loose.txt")).toBe("more\n");
  expect(git(both.host, "rev-parse", "banger/calm-otter@{1}").trim()).toBe(earlier);
  // The same work, once more, is no other commit.
  const later = git(both.host, "rev-parse", "banger/calm-otter").trim();
  expect((await both.ok("vm", "pull", "calm-otter")).err).toContain("nothing new of calm-otter");
  expect(git(both.host, "rev-parse", "banger/calm-otter").trim()).toBe(later);
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
  expect(err).toBe("3 files changed here, nothing committed\n");
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
  // The very same is there already, and another one does not write over it.
  const again = async () => (await both.banger("vm", "pull", "calm-otter", "--apply")).err;
  expect(await again()).toContain(patch);
  expect(existsSync(patch.replace(".patch", "-2.patch"))).toBe(false);
  write(both.guest, "new.txt", "there, and more\n");
  expect(await again()).toContain("calm-otter-2.patch");
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
