/** What cannot be copied is refused before anything else happens; what changes meanwhile does no harm. */
import { expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { listFiles, openRepository, packWorkspace } from "../../src/repo/repo.ts";
import { commitAll, git, initRepository, tempDir } from "./repo-fixture.ts";
import { canary } from "./repo-hostile-trap.ts";

function simple(dir: string): string {
  initRepository(dir);
  writeFileSync(join(dir, "a"), "a");
  commitAll(dir);
  return dir;
}

test("every place that is no ordinary work tree is refused with its reason", async () => {
  using temp = tempDir();
  const at = (...parts: string[]) => join(temp.path, ...parts);
  const refused = (path: string) =>
    openRepository(path, { scratchBase: at("scratch") }).then(
      () => "opened",
      (error) => `${error.code}: ${error.message.replaceAll(temp.path, "")}`,
    );
  mkdirSync(at("plain"));
  writeFileSync(at("file"), "");
  initRepository(at("empty"));
  initRepository(at("bare.git"), "--bare");
  simple(at("repo"));
  git(at("repo"), "init", "-q", "--separate-git-dir", at("elsewhere"), at("separate"));
  git(temp.path, "clone", "-q", "--shared", at("repo"), "shared");
  git(at("repo"), "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", at("repo"), "sub");
  symlinkSync("loop", at("loop"));
  expect(await refused(at("none"))).toBe("not_found: there is no /none");
  expect(await refused(at("file", "x"))).toBe("not_found: there is no /file/x");
  expect(await refused(at("file"))).toBe("bad_repository: /file is not a directory");
  expect(await refused(at("plain"))).toBe("bad_repository: /plain is not in a git repository");
  expect(await refused(at("empty"))).toBe("bad_repository: the repository has no commit yet");
  expect(await refused(at("bare.git"))).toContain("/bare.git is a bare repository");
  expect(await refused(at("bare.git", "refs"))).toContain("/bare.git is a bare repository");
  expect(await refused(at("repo", ".git", "refs"))).toContain("is inside a .git directory");
  expect(await refused(at("repo"))).toBe("bad_repository: the repository has submodules (sub)");
  expect(await refused(at("repo", "sub"))).toContain("is a submodule: its git directory is inside another");
  expect(await refused(at("separate"))).toContain("keeps its git directory elsewhere");
  expect(await refused(at("shared"))).toContain("borrows objects from another one");
  expect(await refused(at("loop"))).toContain("is a loop of symbolic links");
  expect(existsSync(at("scratch")) ? readdirSync(at("scratch")) : []).toEqual([]);
});

test("a path below the root means the whole repository, also through a link", async () => {
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  mkdirSync(join(dir, "deep/er"), { recursive: true });
  symlinkSync(join(dir, "deep"), join(temp.path, "link"));
  for (const path of [dir, join(dir, "deep/er"), join(temp.path, "link/er")]) {
    const repo = await openRepository(path, { scratchBase: join(temp.path, "scratch") });
    expect([repo.root, repo.name, repo.branch]).toEqual([dir, "repo", "main"]);
    repo.close();
  }
});

test("without git the error says what to install", async () => {
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  const path = process.env.PATH;
  process.env.PATH = temp.path;
  try {
    await expect(openRepository(dir, { scratchBase: join(temp.path, "scratch") })).rejects.toMatchObject({
      code: "host_missing",
      message: "git is not installed on this host",
    });
  } finally {
    process.env.PATH = path;
  }
});

test("an unreadable file is named before the first byte", async () => {
  if (process.getuid?.() !== 0) return console.log("skipped: needs root to become another user");
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  chmodSync(temp.path, 0o755);
  chmodSync(join(dir, "a"), 0o600);
  mkdirSync(join(temp.path, "scratch"));
  chownSync(join(temp.path, "scratch"), 65_534, 65_534);
  const script = `
    const { openRepository, packWorkspace } = await import(${JSON.stringify(join(import.meta.dir, "../../src/repo/repo.ts"))});
    process.setgid(65534); process.setuid(65534); // after the sources were read: they may be another user's
    const repo = await openRepository(${JSON.stringify(dir)}, { scratchBase: ${JSON.stringify(join(temp.path, "scratch"))} });
    await packWorkspace(repo, { includeUntracked: false }).catch((error) => console.log(error.code, error.message));
    process.exit(0);`;
  const done = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", cwd: "/" });
  expect(done.stdout).toBe("bad_repository cannot read a: permission denied\n");
});

test("an aborted or abandoned stream ends git and leaves nothing behind", async () => {
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  const scratch = join(temp.path, "scratch");
  for (let n = 0; n < 40; n += 1) writeFileSync(join(dir, `f${n}`), Buffer.alloc(200_000, n));
  commitAll(dir);
  for (const how of ["abort", "destroy", "before"] as const) {
    const stop = new AbortController();
    const repo = await openRepository(dir, { scratchBase: scratch, signal: stop.signal });
    const packed = await packWorkspace(repo, { includeUntracked: false, signal: stop.signal });
    let seen = 0;
    if (how === "before") stop.abort();
    const reading = (async () => {
      for await (const chunk of packed.stream) {
        seen += chunk.length;
        if (how === "abort") stop.abort();
        if (how === "destroy") break;
      }
    })();
    if (how === "destroy") await reading;
    else await expect(reading).rejects.toMatchObject({ code: "cancelled" });
    expect(packed.stream.destroyed).toBe(true);
    expect(seen).toBeLessThan(4_000_000);
    repo.close();
  }
  const stopped = AbortSignal.abort();
  await expect(openRepository(dir, { scratchBase: scratch, signal: stopped })).rejects.toThrow();
  // Git takes a moment to end.
  for (const until = Date.now() + 5_000; readdirSync(scratch).length > 0 && Date.now() < until; )
    await Bun.sleep(10);
  expect(readdirSync(scratch)).toEqual([]);
});

test("what a killed process left is removed by the next one, what a live one uses is not", async () => {
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  const scratch = join(temp.path, "scratch");
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const dead = spawnSync("true").pid;
  mkdirSync(join(scratch, `run-${dead}-123-abc`, "git"), { recursive: true });
  mkdirSync(join(scratch, `run-${child.pid}-1-reused`), { recursive: true });
  mkdirSync(join(scratch, "foreign"));
  const first = await openRepository(dir, { scratchBase: scratch });
  const second = await openRepository(dir, { scratchBase: scratch });
  expect(readdirSync(scratch).filter((name) => name.startsWith(`run-${process.pid}-`))).toHaveLength(2);
  expect(readdirSync(scratch)).toHaveLength(3);
  first.close();
  second.close();
  expect(readdirSync(scratch)).toEqual(["foreign"]);
  child.kill();
});

test("a file that vanishes is left out, and one that is cut short ends the stream with its name", async () => {
  using temp = tempDir();
  const dir = simple(join(temp.path, "repo"));
  for (const name of ["b", "c", "z"])
    writeFileSync(join(dir, name), Buffer.alloc(name === "z" ? 30_000_000 : 10, name));
  commitAll(dir);
  const repo = await openRepository(dir, { scratchBase: join(temp.path, "scratch") });
  const listing = await listFiles(repo, { includeUntracked: false });
  rmSync(join(dir, "b"));
  const whole = await packWorkspace(repo, { includeUntracked: false, listing });
  const names = spawnSync("tar", ["t"], {
    input: Buffer.concat(await whole.stream.toArray()),
    encoding: "utf8",
  });
  expect(names.stdout.split("\n").slice(0, 3)).toEqual(["a", "c", "z"]);
  const cut = await packWorkspace(repo, { includeUntracked: false, listing });
  let seen = 0;
  const reading = (async () => {
    for await (const chunk of cut.stream) {
      if (seen === 0) truncateSync(join(dir, "z"), 20_000_000);
      seen += chunk.length;
    }
  })();
  await expect(reading).rejects.toMatchObject({ message: "z was cut short while it was being copied" });
  repo.close();
});

test("a directory that is swapped for a link to the outside all the time leaks nothing", async () => {
  using temp = tempDir();
  const dir = initRepository(join(temp.path, "repo"));
  const outside = join(temp.path, "outside");
  for (const [place, text] of [
    [join(dir, "d/e"), "inside"],
    [join(outside, "e"), canary],
  ] as const) {
    mkdirSync(place, { recursive: true });
    for (let n = 0; n < 300; n += 1) writeFileSync(join(place, `f${n}`), text);
  }
  commitAll(dir);
  const swapper = spawn(
    process.execPath,
    [
      "-e",
      `
    const fs = require("node:fs");
    process.chdir(${JSON.stringify(dir)});
    fs.symlinkSync(${JSON.stringify(outside)}, "link");
    process.stdout.write("swapping");
    for (;;) { fs.renameSync("d", "real"); fs.renameSync("link", "d"); fs.renameSync("d", "link"); fs.renameSync("real", "d"); }
  `,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await new Promise((resolve) => swapper.stdout.once("data", resolve));
  let inside = 0;
  try {
    for (let round = 0; round < 40; round += 1) {
      const repo = await openRepository(dir, { scratchBase: join(temp.path, "scratch") });
      const packed = await packWorkspace(repo, { includeUntracked: true });
      const tar = Buffer.concat(await packed.stream.toArray());
      repo.close();
      expect(tar.includes(canary)).toBe(false);
      if (tar.includes("inside")) inside += 1;
    }
  } finally {
    const ended = new Promise((resolve) => swapper.on("close", resolve));
    swapper.kill("SIGKILL");
    await ended;
  }
  expect(inside).toBeGreaterThan(0);
}, 60_000);
