/** What the guest's git is told, and what the host's configuration is read as. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseConfigFile } from "../../src/repo/config-file.ts";
import { commitAll, copyRepository, git, initRepository, tempDir } from "./repo-fixture.ts";

function write(dir: string, name: string | Buffer, content: string | Buffer): void {
  const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
  const slash = path.lastIndexOf(0x2f);
  mkdirSync(path.subarray(0, slash), { recursive: true });
  writeFileSync(path, content);
}

test("identity, upstream and remotes arrive, without secrets and without what runs", async () => {
  using temp = tempDir();
  const bare = join(temp.path, "bare.git");
  initRepository(join(temp.path, "src"));
  write(join(temp.path, "src"), "a", "a");
  commitAll(join(temp.path, "src"));
  git(temp.path, "clone", "-q", "--bare", "src", bare);
  git(temp.path, "clone", "-q", bare, "from");
  const from = join(temp.path, "from");
  git(from, "remote", "set-url", "origin", "https://user:hunter2@example.org/a.git?token=hunter2");
  git(from, "remote", "add", "local", "/srv/x");
  git(from, "config", "user.name", 'Ü "x"');
  git(from, "config", "http.extraHeader", "Authorization: hunter2");
  git(from, "config", "core.autocrlf", "input");
  const to = join(temp.path, "to");
  await copyRepository(from, to, join(temp.path, "scratch"));
  expect(git(to, "remote", "-v")).toBe(
    "origin\thttps://example.org/a.git (fetch)\norigin\thttps://example.org/a.git (push)\n",
  );
  expect(git(to, "rev-parse", "@{upstream}", "origin/main")).toBe(git(from, "rev-parse", "HEAD", "HEAD"));
  expect(git(to, "config", "user.name")).toBe(git(from, "config", "user.name"));
  expect(git(to, "config", "core.autocrlf")).toBe("input\n");
  expect(readFileSync(join(to, ".git/config"), "latin1")).not.toContain("hunter2");
});

test("an identity that the user's configuration gives to a directory arrives, and costs one more process", async () => {
  using temp = tempDir();
  const from = initRepository(join(temp.path, "work/from"));
  write(from, "a", "a");
  commitAll(from);
  write(
    temp.path,
    "home/.gitconfig",
    `[user]\nname = Home\nemail = h@x\n[includeIf "gitdir:${temp.path}/work/"]\npath = w\n`,
  );
  write(temp.path, "home/w", "[user]\nname = Work\n");
  const home = process.env.HOME;
  process.env.HOME = join(temp.path, "home");
  const to = join(temp.path, "to");
  try {
    await copyRepository(from, to, join(temp.path, "scratch"));
  } finally {
    process.env.HOME = home;
  }
  expect(git(to, "config", "--get-regexp", "^user")).toBe("user.name Work\nuser.email h@x\n");
});

test("configuration text is read as git reads it", () => {
  using temp = tempDir();
  const pieces = [
    "[a]\n",
    '[b "S\\"x"]',
    "[c.D]",
    "key",
    " = ",
    "v w",
    "  # c\n",
    "\\\n",
    "\n",
    '"q  "',
    "\\t",
    "; x\n",
    "\r\n",
    "=",
    " ",
  ];
  const word = fc
    .array(fc.constantFrom(...pieces), { maxLength: 12 })
    .map((parts) => `[a]${parts.join("")}\n`);
  const file = join(temp.path, "c");
  fc.assert(
    fc.property(word, (text) => {
      writeFileSync(file, text);
      const listed = spawnSync("git", ["config", "--file", file, "--list", "-z"], { encoding: "latin1" });
      let ours: string;
      try {
        ours = parseConfigFile(Buffer.from(text), "c")
          .map(
            (e) =>
              `${[e.section, e.subsection, e.key].filter((part) => part !== undefined).join(".")}=${e.value}`,
          )
          .join("\0");
      } catch {
        ours = "refused";
      }
      const theirs = listed.stdout
        .split("\0")
        .slice(0, -1)
        .map((e) => (e.includes("\n") ? e.replace("\n", "=") : `${e}=true`));
      expect(ours).toBe(listed.status === 0 ? theirs.join("\0") : "refused");
    }),
    { numRuns: Number(process.env.BANGER_FUZZ_RUNS ?? 300) },
  );
});
