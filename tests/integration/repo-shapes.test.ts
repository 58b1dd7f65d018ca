/** Large, linked, shallow, sparse repositories, and branches made for the guest. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commitAll, copyRepository, git, initRepository, tempDir } from "./repo-fixture.ts";

const status = ["status", "--porcelain=v1", "-z", "--untracked-files=all"];

function write(dir: string, name: string | Buffer, content: string | Buffer): void {
  const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
  const slash = path.lastIndexOf(0x2f);
  mkdirSync(path.subarray(0, slash), { recursive: true });
  writeFileSync(path, content);
}

test("50,000 files are listed and arrive", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "from"));
  for (let n = 0; n < 50_000; n += 1) {
    if (n % 100 === 0) mkdirSync(join(from, `d${n % 700}`, `e${n}`), { recursive: true });
    const block = n - (n % 100);
    writeFileSync(join(from, `d${block % 700}`, `e${block}`, `f${n}`), String(n));
  }
  commitAll(from);
  const to = join(temp.path, "to");
  const packed = await copyRepository(from, to, join(temp.path, "scratch"));
  expect(packed.files).toBe(50_000);
  expect(git(to, "status", "--porcelain")).toBe("");
}, 120_000);

test("linked work trees, detached HEADs, SHA-256, shallow, sparse and split-index repositories arrive", async () => {
  using temp = tempDir();
  const scratch = join(temp.path, "scratch");
  const main = initRepository(join(temp.path, "main"));
  write(main, "a", "a");
  write(main, "in/b", "b");
  commitAll(main);
  write(main, "out/c", "c");
  commitAll(main, "two");
  const check = async (from: string, to: string) => {
    const packed = await copyRepository(from, join(temp.path, to), scratch);
    expect(git(join(temp.path, to), ...status)).toBe(git(from, ...status));
    expect(git(join(temp.path, to), "log", "--format=%H")).toBe(git(from, "log", "--format=%H"));
    expect(git(join(temp.path, to), "fsck")).toBe("");
    return packed;
  };
  git(main, "worktree", "add", "-q", "-b", "side", join(temp.path, "linked"));
  write(join(temp.path, "linked"), "a", "changed");
  expect((await check(join(temp.path, "linked"), "to-linked")).branch).toBe("side");

  git(main, "switch", "-q", "--detach", "HEAD~1");
  expect((await check(main, "to-detached")).branch).toBeUndefined();
  git(main, "switch", "-q", "main");

  const sha256 = initRepository(join(temp.path, "sha256"), "--object-format=sha256");
  write(sha256, "a", "a");
  commitAll(sha256);
  await check(sha256, "to-sha256");

  git(temp.path, "clone", "-q", "--depth", "1", `file://${main}`, "shallow");
  await check(join(temp.path, "shallow"), "to-shallow");

  git(temp.path, "clone", "-q", `file://${main}`, "sparse");
  git(join(temp.path, "sparse"), "sparse-checkout", "set", "--cone", "--sparse-index", "in");
  await check(join(temp.path, "sparse"), "to-sparse");
  expect(git(join(temp.path, "to-sparse"), "ls-files", "-t")).toBe("H a\nH in/b\nS out/c\n");

  git(main, "update-index", "--split-index");
  write(main, "d", "d");
  git(main, "add", "d");
  await check(main, "to-split");

  for (const version of ["4", "3", "2"]) {
    git(main, "update-index", "--no-split-index", "--index-version", version);
    await check(main, `to-v${version}`);
  }
});

test("a branch is made in the guest: from HEAD with the edits, from another commit with exactly that commit", async () => {
  using temp = tempDir();
  const scratch = join(temp.path, "scratch");
  const from = initRepository(join(temp.path, "from"));
  write(from, "a", "one");
  write(from, "gone", "x");
  symlinkSync("a", join(from, "link"));
  chmodSync(join(from, "gone"), 0o755);
  write(from, Buffer.from([0xff, 0x2f, 0x0a]), "raw");
  write(from, "big", Buffer.alloc(2_000_000, "xyz"));
  const first = commitAll(from);
  git(from, "tag", "v1");
  rmSync(join(from, "gone"));
  write(from, "a", "two");
  commitAll(from, "two");
  write(from, "a", "edited");

  const to = join(temp.path, "to");
  const same = await copyRepository(from, to, scratch, { branch: "fix/x", from: "main" });
  expect(same.branch).toBe("fix/x");
  expect(git(to, "branch", "--format=%(refname:short) %(HEAD)")).toBe("fix/x *\nmain  \n");
  expect(readFileSync(join(to, "a"), "utf8")).toBe("edited");
  expect(git(to, ...status)).toBe(" M a\0");

  const old = join(temp.path, "old");
  const packed = await copyRepository(from, old, scratch, { branch: "fix", from: "v1" });
  expect(packed.head).toBe(first);
  expect(readFileSync(join(old, "a"), "utf8")).toBe("one");
  expect(git(old, ...status)).toBe("");
  expect(git(old, "rev-parse", "HEAD", "v1")).toBe(`${first}\n${first}\n`);
  expect(git(old, "diff", "--stat", "main", "fix")).not.toBe("");
  expect(git(old, "fsck")).toBe("");

  const refused = (options: object) => copyRepository(from, join(temp.path, "no"), scratch, options);
  expect(refused({ branch: "main" })).rejects.toMatchObject({ code: "already_exists" });
  expect(refused({ branch: "main/x" })).rejects.toMatchObject({ code: "already_exists" });
  expect(refused({ branch: "a..b" })).rejects.toMatchObject({ code: "bad_request" });
  expect(refused({ branch: "-x" })).rejects.toMatchObject({ code: "bad_request" });
  expect(refused({ from: "v1" })).rejects.toMatchObject({ code: "bad_request" });
  for (const unknown of ["nope", "", "--all", "v1:a", "HEAD~99", "\0", `${first.slice(0, -1)}x`]) {
    await expect(refused({ branch: "b", from: unknown })).rejects.toMatchObject({ code: "bad_request" });
  }
  await expect(refused({ branch: "b", from: "v1", includeUntracked: true })).rejects.toMatchObject({
    code: "bad_request",
  });
});

test("a partial clone arrives as one, without the objects that it lacks itself", async () => {
  using temp = tempDir();
  const main = initRepository(join(temp.path, "main"));
  write(main, "a", "old");
  commitAll(main);
  write(main, "a", "new");
  commitAll(main, "two");
  git(main, "config", "uploadpack.allowFilter", "true");
  git(temp.path, "clone", "-q", "--filter=blob:none", `file://${main}`, "partial");
  const from = join(temp.path, "partial");
  await expect(copyRepository(from, join(temp.path, "no"), join(temp.path, "scratch"))).rejects.toMatchObject(
    {
      code: "bad_repository",
    },
  );
  git(from, "remote", "set-url", "origin", "https://example.org/a.git");
  const to = join(temp.path, "to");
  await copyRepository(from, to, join(temp.path, "scratch"));
  expect(git(to, ...status)).toBe("");
  expect(git(to, "log", "--format=%s")).toBe("two\none\n");
  expect(git(to, "fsck")).toBe("");
  write(to, "a", "newer");
  git(to, "commit", "-q", "-a", "-m", "three");
});
