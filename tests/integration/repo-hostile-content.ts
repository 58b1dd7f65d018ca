/** Repositories whose files, trees and history are the trap. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { commitAll, git, initRepository } from "./repo-fixture.ts";
import {
  canary,
  commitAllQuietly,
  configLacks,
  evilCommit,
  evilTree,
  fifo,
  gone,
  type HostileKind,
  set,
  treeEntry,
} from "./repo-hostile-trap.ts";

export const contentKinds: HostileKind[] = [
  {
    name: "a .gitmodules file that updates by a program",
    build: (trap) => {
      writeFileSync(
        join(trap.dir, ".gitmodules"),
        `[submodule "x"]\n\tpath = -x\n\turl = ../..\n\tupdate = !${trap.program}\n`,
      );
      set(trap, ["submodule.recurse", "true"], ["submodule.x.update", `!${trap.program}`]);
      commitAllQuietly(trap.dir);
    },
  },
  {
    name: "a hostile repository inside",
    build: (trap) => {
      const inner = initRepository(join(trap.dir, "inner"));
      commitAll(inner);
      git(inner, "config", "core.fsmonitor", trap.program);
      git(inner, "config", "core.worktree", trap.secretDir);
    },
    check: gone("inner"),
  },
  {
    name: "a tracked directory swapped for a link to a directory outside with the same names",
    build: ({ dir, secretDir }) => {
      writeFileSync(join(secretDir, "b"), canary);
      rmSync(join(dir, "dir"), { recursive: true });
      symlinkSync(secretDir, join(dir, "dir"));
    },
  },
  {
    name: "tracked and untracked links to files outside, and a loop",
    build: ({ dir, secretFile }) => {
      rmSync(join(dir, "a"));
      symlinkSync(secretFile, join(dir, "a"));
      symlinkSync(secretFile, join(dir, "untracked"));
      symlinkSync("loop", join(dir, "loop"));
    },
  },
  {
    name: "a tracked file that is a pipe, and one that is a directory",
    build: ({ dir }) => {
      rmSync(join(dir, "a"));
      fifo(join(dir, "a"));
      rmSync(join(dir, "dir/b"));
      mkdirSync(join(dir, "dir/b"));
    },
    check: gone("a"),
  },
  { name: "an untracked pipe", build: ({ dir }) => fifo(join(dir, "pipe")), check: gone("pipe") },
  {
    name: "a tracked file that is a device",
    build: ({ dir }) => {
      rmSync(join(dir, "a"));
      spawnSync("mknod", [join(dir, "a"), "c", "1", "5"]);
    },
    check: gone("a"),
  },
  {
    name: ".gitignore is a pipe",
    build: ({ dir }) => fifo(join(dir, "dir/.gitignore")),
    refused: "bad_repository",
  },
  {
    name: ".gitignore is a link outside",
    build: ({ dir, secretFile }) => symlinkSync(secretFile, join(dir, ".gitignore")),
  },
  {
    name: "core.excludesFile is a pipe",
    build: (trap) => {
      fifo(join(trap.dir, "patterns"));
      set(trap, ["core.excludesFile", join(trap.dir, "patterns")]);
    },
  },
  {
    name: "a commit with a .git directory in its tree",
    build: ({ dir }) => {
      const blob = git(dir, "rev-parse", "HEAD:a").trim();
      evilCommit(dir, treeEntry("40000", ".git", evilTree(dir, treeEntry("100755", "x", blob))));
    },
    from: "evil",
    refused: "bad_repository",
  },
  {
    name: "a commit with .. in its tree",
    build: ({ dir }) => evilCommit(dir, treeEntry("100644", "..", git(dir, "rev-parse", "HEAD:a").trim())),
    from: "evil",
    refused: "bad_repository",
  },
  {
    name: "a commit whose tree has a link and a directory of one name",
    build: ({ dir }) => {
      const blob = git(dir, "rev-parse", "HEAD:a").trim();
      const tree = evilTree(dir, treeEntry("100644", "x", blob));
      evilCommit(dir, Buffer.concat([treeEntry("120000", "d", blob), treeEntry("40000", "d", tree)]));
    },
    from: "evil",
    refused: "bad_repository",
  },
  {
    name: "a replaced commit and a graft",
    build: ({ dir, victim }) => {
      const head = git(dir, "rev-parse", "HEAD").trim();
      const blob = git(dir, "hash-object", "-w", "--", join(victim, "secret.txt")).trim();
      const tree = evilTree(dir, treeEntry("100644", "s", blob));
      const commit = git(dir, "commit-tree", "-m", "x", tree).trim();
      git(dir, "replace", head, commit);
      writeFileSync(join(dir, ".git/info/grafts"), `${head} ${commit}\n`);
    },
  },
  {
    name: "a token in the remote's URL, in insteadOf and in a header",
    build: (trap) =>
      set(
        trap,
        ["remote.origin.url", `https://u:${canary}@example.org/x`],
        ["remote.origin.pushurl", `https://${canary}@example.org/x`],
        [`url.https://${canary}@example.org/.insteadOf`, "https://example.org/"],
        ["http.https://example.org/.extraheader", `AUTHORIZATION: basic ${canary}`],
        ["branch.main.description", canary],
        [`remote.${canary} x.url`, "https://example.org/y"],
      ),
    check: configLacks(canary),
  },
  {
    name: "secrets in other places of .git",
    build: ({ dir }) => {
      for (const name of [
        "FETCH_HEAD",
        "ORIG_HEAD",
        "COMMIT_EDITMSG",
        "description",
        "credentials",
        "logs/HEAD",
        "info/refs",
      ]) {
        mkdirSync(dirname(join(dir, ".git", name)), { recursive: true });
        writeFileSync(join(dir, ".git", name), canary);
      }
      const blob = spawnSync("git", ["-C", dir, "hash-object", "-w", "--stdin"], {
        input: canary,
      }).stdout.toString();
      writeFileSync(join(dir, ".git/ORIG_HEAD"), blob);
    },
  },
  {
    name: "an amended commit, a stash and another branch with secrets",
    build: ({ dir }) => {
      writeFileSync(join(dir, "s"), canary);
      commitAll(dir, canary);
      git(dir, "reset", "-q", "--hard", "HEAD~1");
      git(dir, "switch", "-q", "-c", "other");
      writeFileSync(join(dir, "s"), canary);
      commitAll(dir, canary);
      git(dir, "tag", "other-tag");
      git(dir, "switch", "-q", "main");
      writeFileSync(join(dir, "a"), canary);
      git(dir, "stash", "-q");
    },
  },
  {
    name: "a user name with a newline and a section",
    build: (trap) =>
      set(trap, ["user.name", `x\n[core]\n\tfsmonitor = ${trap.program}`], ["user.email", "a\u001b[31m"]),
    check: configLacks("fsmonitor"),
  },
  {
    name: "a branch name that is a section in the configuration",
    build: (trap) => {
      git(trap.dir, "switch", "-q", "-c", 'x"]core');
      set(
        trap,
        ['branch.x"]core.remote', "origin"],
        ['branch.x"]core.merge', "refs/heads/main"],
        ["remote.origin.url", "https://example.org/x"],
      );
    },
  },
  {
    name: "a directory inside .git moved into the tree",
    build: ({ dir }) => {
      cpSync(join(dir, ".git"), join(dir, "copy"), { recursive: true });
      renameSync(join(dir, "copy"), join(dir, "bare.git"));
      git(dir, "-C", "bare.git", "config", "core.fsmonitor", "/bin/false");
    },
  },
];
