/** A guest that lies about its work, and a repository that waits for somebody to write to it: neither gets anything run or out. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runCli } from "../../src/cli/run-cli.ts";
import { session } from "../../src/cli/testing/harness.ts";
import { commitAll, git } from "./repo-fixture.ts";
import { Pair } from "./workspace-fixture.ts";

function pair(): Pair {
  const both = new Pair();
  writeFileSync(join(both.host, "a.txt"), "a\n");
  mkdirSync(join(both.host, "dir"));
  writeFileSync(join(both.host, "dir/b.txt"), "b\n");
  commitAll(both.host);
  return both;
}

/** git with bytes in and out, in a directory. */
function gitBytes(dir: string, input: string | Uint8Array, ...args: string[]): Buffer {
  const done = spawnSync("git", ["-C", dir, ...args], {
    input,
    env: { PATH: process.env.PATH ?? "", HOME: dir },
  });
  if (done.status !== 0) throw new Error(done.stderr.toString());
  return done.stdout;
}

/** A tree object of any content: mktree would refuse some. */
function rawTree(
  dir: string,
  entries: readonly [mode: string, name: string | Uint8Array, oid: string][],
): string {
  const content = entries.flatMap(([mode, name, oid]) => [
    Buffer.from(`${mode} `),
    Buffer.from(name),
    Buffer.from([0]),
    Buffer.from(oid, "hex"),
  ]);
  const args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
  return gitBytes(dir, Buffer.concat(content), ...args)
    .toString()
    .trim();
}

/** What a guest would send whose work tree is this tree. */
function answerOf(dir: string, tree: string, objects: readonly string[] = []): Buffer {
  const head = git(dir, "rev-parse", "HEAD").trim();
  const prepared = git(dir, "rev-parse", "refs/banger/prepared").trim();
  const wanted = [...new Set([tree, ...objects])].map((oid) => `${oid}\n`).join("");
  const pack = gitBytes(dir, wanted, "pack-objects", "--stdout", "-q");
  return Buffer.concat([Buffer.from(`banger-pull 1 ${head} ${tree} ${prepared}\n`), pack]);
}

const blobOf = (dir: string, content: string) =>
  gitBytes(dir, content, "hash-object", "-w", "--stdin").toString().trim();

/** Everything that could have been changed, but for banger's own scratch. */
const everything = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith(".git/index"))
    .sort();

test("trees with names that a checkout must not write are refused, and nothing is taken", async () => {
  using both = pair();
  await both.prepare();
  const blob = blobOf(both.guest, "#!/bin/sh\n");
  const inner = rawTree(both.guest, [["100755", "post-checkout", blob]]);
  const before = everything(both.host);
  for (const name of [
    ".git",
    ".GIT",
    ".Git",
    "..",
    ".",
    "git~1",
    ".g\u200cit",
    "a/b",
    ".git ",
    ".git::$INDEX_ALLOCATION",
  ]) {
    const tree = rawTree(both.guest, [["40000", name, inner]]);
    both.lie = (script) =>
      script.includes("banger-pull") ? answerOf(both.guest, tree, [inner, blob]) : undefined;
    for (const how of [[], ["--apply"]]) {
      const { status, err, out } = await both.banger("vm", "pull", "calm-otter", ...how);
      expect([name, status, out, /not sound|no work tree has/.test(err)]).toEqual([name, 1, "", true]);
      expect(err).not.toContain("\u200c");
    }
  }
  expect(everything(both.host)).toEqual(before);
});

test("answers that are cut short, made up or missing objects are refused", async () => {
  using both = pair();
  await both.prepare();
  writeFileSync(join(both.guest, "a.txt"), "changed\n");
  const changed = commitAll(both.guest);
  const tree = git(both.guest, "rev-parse", "HEAD^{tree}").trim();
  const blob = git(both.guest, "rev-parse", "HEAD:a.txt").trim();
  const whole = answerOf(both.guest, tree, [blob, changed]);
  const header = whole.indexOf(10) + 1;
  const broken = Buffer.from(whole);
  broken[header + 20] = (broken[header + 20] ?? 0) ^ 0xff;
  const headOnly = Buffer.from(`banger-pull 1 ${"1".repeat(40)} ${tree} ${changed}\n`);
  const answers: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    garbage: Buffer.from("\x1b]0;title\x07\n".repeat(1000)),
    endless: Buffer.alloc(1024 * 1024, "x"),
    "a header alone": whole.subarray(0, header),
    "half a pack": whole.subarray(0, whole.length - 30),
    "a changed byte": broken,
    "a missing blob": answerOf(both.guest, tree, [changed]),
    "a missing commit": answerOf(both.guest, tree, [blob]),
    "a head that is not there": Buffer.concat([headOnly, whole.subarray(header)]),
    "a tree for a commit": Buffer.concat([
      Buffer.from(`banger-pull 1 ${tree} ${tree} ${tree}\n`),
      whole.subarray(header),
    ]),
  };
  const before = everything(both.host);
  for (const [name, answer] of Object.entries(answers)) {
    both.lie = (script) => (script.includes("banger-pull") ? answer : undefined);
    const { status, err } = await both.banger("vm", "pull", "calm-otter");
    expect([name, status]).toEqual([name, 1]);
    expect(err).not.toMatch(/[\u001b\u0007]/);
    expect(err).toContain("guest");
  }
  expect(everything(both.host)).toEqual(before);
});

test("nothing is written through links of the work tree or of .git", async () => {
  using both = pair();
  await both.prepare();
  const outside = join(both.temp.path, "outside");
  mkdirSync(outside);
  mkdirSync(join(both.guest, "way/out"), { recursive: true });
  writeFileSync(join(both.guest, "way/out/x"), "x\n");
  writeFileSync(join(both.guest, "dir/b.txt"), "changed\n");
  // A link where the guest has a directory; another where the host had one.
  symlinkSync(outside, join(both.host, "way"));
  rmSync(join(both.host, "dir"), { recursive: true });
  symlinkSync(outside, join(both.host, "dir"));
  const { status, err } = await both.banger("vm", "pull", "calm-otter", "--apply");
  expect([status, err.includes("way/out/x")]).toEqual([1, true]);
  expect(readdirSync(outside)).toEqual([]);
  for (const name of ["banger", "logs/refs/heads/banger", "refs/heads/banger"]) {
    rmSync(join(both.host, ".git", name), { recursive: true, force: true });
    mkdirSync(join(both.host, ".git", name, ".."), { recursive: true });
    symlinkSync(outside, join(both.host, ".git", name));
    const how = name === "banger" ? ["--apply"] : [];
    expect([name, (await both.banger("vm", "pull", "calm-otter", ...how)).status]).toEqual([name, 1]);
    expect(readdirSync(outside)).toEqual([]);
    rmSync(join(both.host, ".git", name));
  }
});

test("a guest's links arrive as links, and what they lead to stays as it is", async () => {
  using both = pair();
  const victim = join(both.temp.path, "victim");
  writeFileSync(victim, "untouched\n");
  await both.prepare();
  rmSync(join(both.guest, "a.txt"));
  symlinkSync(victim, join(both.guest, "a.txt"));
  await both.ok("vm", "pull", "calm-otter", "--apply");
  rmSync(join(both.guest, "a.txt"));
  writeFileSync(join(both.guest, "a.txt"), "through\n");
  // The link here is in no commit and not what was copied: it stays.
  expect((await both.banger("vm", "pull", "calm-otter", "--apply")).status).toBe(1);
  commitAll(both.host, "link");
  await both.banger("vm", "pull", "calm-otter", "--apply");
  expect(readFileSync(victim, "utf8")).toBe("untouched\n");
});

test("no hook, filter, driver or monitor of the host's repository runs while work is taken back", async () => {
  using both = pair();
  const mark = join(both.temp.path, "ran");
  const program = join(both.temp.path, "program");
  writeFileSync(program, `#!/bin/sh\necho "$0 $*" >> ${mark}\ncat\n`, { mode: 0o755 });
  writeFileSync(join(both.host, ".gitattributes"), "* filter=evil diff=evil merge=evil\n");
  commitAll(both.host, "attributes");
  await both.prepare();
  for (const hook of [
    "reference-transaction",
    "post-checkout",
    "post-merge",
    "post-index-change",
    "pre-commit",
    "post-update",
  ])
    writeFileSync(join(both.host, ".git/hooks", hook), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  for (const key of [
    ...[
      "core.fsmonitor",
      "core.pager",
      "core.sshCommand",
      "core.editor",
      "core.alternateRefsCommand",
      "gpg.program",
    ],
    ...[
      "filter.evil.clean",
      "filter.evil.smudge",
      "filter.evil.process",
      "diff.evil.command",
      "diff.evil.textconv",
    ],
    ...["merge.evil.driver", "diff.external", "alias.read-tree", "uploadpack.packObjectsHook"],
  ])
    git(both.host, "config", key, program);
  git(both.host, "config", "filter.evil.required", "true");
  rmSync(mark, { force: true });
  writeFileSync(join(both.guest, "a.txt"), "there\n");
  writeFileSync(join(both.guest, "new.txt"), "new\n");
  git(both.guest, "commit", "-qam", "work");
  await both.ok("vm", "pull", "calm-otter");
  await both.ok("vm", "pull", "calm-otter", "--apply");
  await both.banger("vm", "workspace", "prepare", "calm-otter");
  expect(existsSync(mark)).toBe(false);
  expect(readFileSync(join(both.host, "a.txt"), "utf8")).toBe("there\n");
});

test("what a guest says is harmless on a terminal, in patches, names and refusals", async () => {
  using both = pair();
  await both.prepare();
  writeFileSync(join(both.guest, "\x1b]0;t\x07\u202e.txt"), "\x1b[2J\tevil\u009b\n");
  const shown = session({ daemon: both.daemon, tty: { stdout: true } });
  expect(await runCli(["vm", "diff", "calm-otter"], shown.ctx)).toBe(0);
  expect(shown.out()).toContain("\\x1b[2J\tevil\\x9b");
  expect(shown.out().replaceAll(/\u001b\[\d+m/g, "")).not.toMatch(/[\u001b\u0007\u202e\u009b]/);
  const { err } = await both.banger("vm", "workspace", "prepare", "calm-otter");
  expect(err).toContain("are not here");
  expect(err).not.toMatch(/[\u001b\u0007\u202e]/);
  both.lie = () => Buffer.from("\x1b[2J\n");
  expect((await both.banger("vm", "diff", "calm-otter", "--stat")).out).toBe("\\x1b[2J\n");
});

test("a guest that lies about what it has there is not believed with names outside", async () => {
  using both = pair();
  await both.prepare();
  const oid = "1".repeat(40);
  for (const path of ["../x", ".git/config", "a/../../x", "/etc/passwd"]) {
    const lists = [`\0:100644 100644 ${oid} ${oid} M\0${path}\0`, `H 100644 ${oid} 0\t${path}\0\0`];
    for (const list of lists) {
      const raw = `repository\n${oid} HEAD\0\0${list}`;
      both.lie = (script) => (script.includes("echo halfway") ? Buffer.from(raw) : undefined);
      const { status, err } = await both.banger("vm", "workspace", "prepare", "calm-otter");
      expect([status, err.includes("no work tree has")]).toEqual([1, true]);
    }
  }
});

test("a repository inside the guest's stays there, and does not come as half a submodule", async () => {
  using both = pair();
  await both.prepare();
  git(both.guest, "init", "-q", "inner");
  writeFileSync(join(both.guest, "inner/x"), "x\n");
  commitAll(join(both.guest, "inner"));
  writeFileSync(join(both.guest, "a.txt"), "changed\n");
  const { err } = await both.ok("vm", "pull", "calm-otter");
  expect(err).toContain("left in the guest: inner, a repository of its own");
  expect(git(both.host, "ls-tree", "--name-only", "banger/calm-otter")).toBe("a.txt\ndir\n");
  expect((await both.ok("vm", "pull", "calm-otter", "--apply")).out).toBe("a.txt\n");
});
