/** A repository's way into a VM, what becomes of it there, and the way home: with one VM, and git on both sides. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Banger } from "./fixture.ts";

const banger = new Banger();
const repo = join(banger.dir, "repo");
const git = (...args: string[]) =>
  execFileSync("git", ["-C", repo, ...args], { env: banger.env, encoding: "utf8" });
const write = (name: string, content: string) => writeFileSync(join(repo, name), content);
const read = (name: string) => readFileSync(join(repo, name), "utf8");
const vm = (...words: string[]) => banger.run(["vm", ...words]);
const exec = (script: string) => banger.ok(["vm", "exec", "way-home", "--", "sh", "-ec", script]);

beforeAll(async () => {
  await banger.image();
  mkdirSync(join(repo, "node_modules"), { recursive: true });
  git("init", "-q", "-b", "main");
  git("config", "user.name", "Host");
  git("config", "user.email", "host@example.org");
  write(".gitignore", "node_modules/\nbuild/\n");
  write(".bangerignore", "*.iso\n");
  write("code.c", Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join(""));
  write("large.iso", "large\n");
  write("node_modules/dep.js", "dep\n");
  git("add", "-A");
  git("commit", "-qm", "first");
  write("code.c", `${read("code.c")}uncommitted here\n`);
  const words = ["vm", "run", "--name", "way-home", "--memory", "1G", repo, "--include", "node_modules"];
  const there = "git status --porcelain; git config user.name; cat node_modules/dep.js; ls large.iso || true";
  expect(await banger.ok([...words, "--", "sh", "-c", there])).toBe(" M code.c\nHost\ndep\n");
});
afterAll(() => banger.close());

test("diff and export show what was committed and edited in the guest, and nothing else", async () => {
  expect((await vm("diff", "way-home")).stdout).toBe("");
  await exec(
    "sed -i s/^line.3$/line.three/ code.c; git commit -qam 'in the guest'; echo made > new.txt; mkdir build; echo x > build/x",
  );
  const { stdout: patch } = await vm("diff", "way-home");
  expect(patch).toContain("+line.three");
  expect(patch).toContain("+made");
  expect(patch).not.toMatch(/^\+uncommitted here|build/m);
  expect((await vm("diff", "way-home", "--stat")).stdout).toContain(" in the guest\n");
  const file = join(banger.dir, "work.patch");
  await banger.ok(["vm", "workspace", "export", "way-home", "--output", file]);
  expect(readFileSync(file, "utf8")).toStartWith("diff --git a/new.txt b/new.txt\n");
  const all = (await vm("workspace", "export", "way-home", "--base-commit", "HEAD~1")).stdout;
  expect(all).toContain("+line.three");
  expect(await exec("git status --porcelain; ls .git | grep banger || true")).toBe("?? new.txt\n");
});

test("pull brings commits and edits home as a branch, and the working tree stays as it is", async () => {
  const before = git("status", "--porcelain");
  expect(await banger.ok(["vm", "pull", "way-home"])).toBe("banger/way-home\n");
  expect(git("log", "--format=%an %s", "main..banger/way-home")).toEndWith("Host in the guest\n");
  expect(git("show", "banger/way-home:new.txt")).toBe("made\n");
  expect(git("status", "--porcelain")).toBe(before);
});

test("prepare refuses to lose what is only in the guest, and names it", async () => {
  const { status, stderr } = await vm("workspace", "prepare", "way-home");
  expect(status).toBe(1);
  expect(stderr).toContain("new.txt\n");
});

test("pull --apply merges into the working tree; a conflict is marked; an overlap changes nothing", async () => {
  expect(await banger.ok(["vm", "pull", "way-home", "--apply"])).toBe("code.c\nnew.txt\n");
  expect(read("code.c")).toContain("line.three\n");
  expect(read("code.c")).toContain("uncommitted here\n");
  git("commit", "-qam", "taken");
  await exec("sed -i s/^line.20$/there/ code.c");
  write("code.c", read("code.c").replace("line 20\n", "here\n"));
  const overlap = await vm("pull", "way-home", "--apply");
  expect([overlap.status, overlap.stderr.includes("in no commit would be overwritten")]).toEqual([1, true]);
  expect(read("code.c")).toContain("here\n");
  git("commit", "-qam", "here");
  const conflict = await vm("pull", "way-home", "--apply");
  expect([conflict.status, conflict.stderr.includes("marked in the file: code.c")]).toEqual([1, true]);
  expect(read("code.c")).toContain(">>>>>>> VM way-home\n");
  git("checkout", "-q", "code.c");
});

test("exec warns of another HEAD here, and --auto-prepare copies it first, keeping what is ignored there", async () => {
  const moved = await vm("exec", "way-home", "--", "true");
  expect([moved.status, moved.stderr.includes("to copy it again first")]).toEqual([0, true]);
  const auto = [
    "exec",
    "way-home",
    "--auto-prepare",
    "--",
    "sh",
    "-c",
    "git log -1 --format=%s; cat build/x node_modules/dep.js",
  ];
  const refused = await vm(...auto);
  expect([refused.status, refused.stderr.includes("code.c")]).toEqual([1, true]);
  await banger.ok(["vm", "workspace", "prepare", "way-home", "--force", "--include", "node_modules"]);
  write("code.c", "newer\n");
  git("commit", "-qam", "newer");
  expect(await banger.ok(["vm", ...auto])).toBe("newer\nx\ndep\n");
  expect((await vm(...auto)).stderr).toBe("");
});

test("a stopped VM is refused, and keeps its workspace", async () => {
  await banger.ok(["vm", "stop", "way-home"]);
  for (const words of [["diff"], ["pull"], ["workspace", "prepare"], ["exec", "--auto-prepare"]]) {
    const rest = words[0] === "exec" ? ["--", "true"] : [];
    const { status, stderr } = await vm(...words, "way-home", ...rest);
    expect([status, stderr.includes("stopped")]).toEqual([1, true]);
  }
  await banger.ok(["vm", "start", "way-home"]);
  expect(await exec("cat code.c; pwd")).toBe("newer\n/root/repo\n");
  expect(existsSync(join(repo, ".git/banger"))).toBe(true);
});
