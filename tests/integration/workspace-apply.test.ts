/** What is in no commit here outlives `vm pull --apply`, whatever happens in its midst. */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { commitAll, git } from "./repo-fixture.ts";
import { type Pair, pair, read, type Said, write } from "./workspace-fixture.ts";

/** `vm pull --apply` with a git that does something first, each time that it is called like this. */
async function applyWith(both: Pair, when: string, first: string): Promise<Said> {
  const bin = join(both.temp.path, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh\ncase " $* " in *" ${when} "*) ${first} ;; esac\nexec ${Bun.which("git")} "$@"\n`;
  writeFileSync(join(bin, "git"), script);
  chmodSync(join(bin, "git"), 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${bin}${delimiter}${PATH}`;
  try {
    return await both.banger("vm", "pull", "calm-otter", "--apply");
  } finally {
    process.env.PATH = PATH;
  }
}

test("a file that is saved here while both sides are merged is not written over, nor is any other", async () => {
  using both = pair();
  await both.prepare();
  const before = read(both.host, "a.txt");
  write(both.guest, "a.txt", before.replace("line 3\n", "there\n"));
  write(both.guest, "dir/b.txt", "there\n");
  write(both.host, "a.txt", before.replace("line 20\n", "here\n"));
  commitAll(both.host, "here");
  const { status, err } = await applyWith(both, "merge-file", `echo saved >> "${both.host}/a.txt"`);
  expect(status).toBe(1);
  expect(err).toContain("Entry 'a.txt' not uptodate");
  expect(read(both.host, "a.txt")).toEndWith("saved\n");
  expect(read(both.host, "dir/b.txt")).toBe("b\n");
});

test("an uncommitted edit that git fails to replace, as on a full disk, is kept as a patch", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "precious\n");
  await both.prepare();
  write(both.guest, "dir/b.txt", "precious\nand more\n");
  const failing = `echo "unable to write file" >&2; rm "${both.host}/dir/b.txt"; exit 128`;
  const { status, err } = await applyWith(both, "read-tree -m -u", failing);
  expect(status).toBe(1);
  const patch = join(both.host, ".git/banger/calm-otter-before.patch");
  expect(err).toContain(patch);
  git(both.host, "checkout", "dir/b.txt");
  git(both.host, "apply", patch);
  expect(read(both.host, "dir/b.txt")).toBe("precious\n");
});

test("where it goes well, that patch is gone", async () => {
  using both = pair();
  write(both.host, "dir/b.txt", "precious\n");
  await both.prepare();
  write(both.guest, "dir/b.txt", "precious\nand more\n");
  await both.ok("vm", "pull", "calm-otter", "--apply");
  expect(existsSync(join(both.host, ".git/banger/calm-otter-before.patch"))).toBe(false);
});
