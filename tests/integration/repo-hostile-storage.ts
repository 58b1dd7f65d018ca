import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { git } from "./repo-fixture.ts";
import { fifo, type HostileKind, indexName, rawIndex, replaced, set } from "./repo-hostile-trap.ts";

export const storageKinds: HostileKind[] = [
  {
    name: "alternates of somebody else's objects",
    build: ({ dir, victim }) =>
      writeFileSync(join(dir, ".git/objects/info/alternates"), `${victim}/.git/objects\n`),
    refused: "bad_repository",
  },
  {
    name: "objects are a link to somebody else's",
    build: ({ dir, victim }) => {
      rmSync(join(dir, ".git/objects"), { recursive: true });
      symlinkSync(`${victim}/.git/objects`, join(dir, ".git/objects"));
    },
    refused: "bad_repository",
  },
  {
    name: "one object directory is a link to somebody else's",
    build: ({ dir, victim }) => {
      const pair = readdirSync(`${victim}/.git/objects`).find((name) => name.length === 2) ?? "00";
      rmSync(join(dir, ".git/objects", pair), { recursive: true, force: true });
      symlinkSync(`${victim}/.git/objects/${pair}`, join(dir, ".git/objects", pair));
    },
    refused: "bad_repository",
  },
  {
    name: "a pack is a link to somebody else's",
    build: ({ dir, victim }) => {
      git(victim, "repack", "-q", "-a");
      for (const name of readdirSync(`${victim}/.git/objects/pack`)) {
        symlinkSync(`${victim}/.git/objects/pack/${name}`, join(dir, ".git/objects/pack", name));
      }
    },
    refused: "bad_repository",
  },
  {
    name: "a loose object is a pipe",
    build: ({ dir }) => {
      mkdirSync(join(dir, ".git/objects/00"), { recursive: true });
      fifo(join(dir, ".git/objects/00", "0".repeat(38)));
    },
    refused: "bad_repository",
  },
  {
    name: ".git is a file that names somebody's repository",
    build: ({ dir, victim }) => {
      rmSync(join(dir, ".git"), { recursive: true });
      writeFileSync(join(dir, ".git"), `gitdir: ${victim}/.git\n`);
    },
    refused: "bad_repository",
  },
  {
    name: ".git is a file that names a forged work tree of somebody's repository",
    build: ({ dir, victim }) => {
      const forged = join(dir, "forged/worktrees/x");
      mkdirSync(forged, { recursive: true });
      writeFileSync(join(forged, "commondir"), `${victim}/.git\n`);
      writeFileSync(join(forged, "gitdir"), `${dir}/.git\n`);
      copyFileSync(`${victim}/.git/HEAD`, join(forged, "HEAD"));
      copyFileSync(`${victim}/.git/index`, join(forged, "index"));
      rmSync(join(dir, ".git"), { recursive: true });
      writeFileSync(join(dir, ".git"), "gitdir: forged/worktrees/x\n");
    },
    refused: "bad_repository",
  },
  {
    name: ".git is a file that names another work tree of somebody's repository",
    build: ({ dir, victim }) => {
      git(
        victim,
        "worktree",
        "add",
        "-q",
        "-f",
        "--detach",
        join(dirname(victim), `wt-${Date.now()}-${Math.random()}`),
      );
      const name = readdirSync(`${victim}/.git/worktrees`)[0] ?? "";
      rmSync(join(dir, ".git"), { recursive: true });
      writeFileSync(join(dir, ".git"), `gitdir: ${victim}/.git/worktrees/${name}\n`);
    },
    refused: "bad_repository",
  },
  {
    name: ".git is a link to somebody's",
    build: ({ dir, victim }) => {
      rmSync(join(dir, ".git"), { recursive: true });
      symlinkSync(`${victim}/.git`, join(dir, ".git"));
    },
    refused: "bad_repository",
  },
  {
    name: "a partial clone whose promisor is a program, with an object missing",
    build: (trap) => {
      set(
        trap,
        ["core.repositoryformatversion", "1"],
        ["extensions.partialClone", "origin"],
        ["remote.origin.promisor", "true"],
        ["remote.origin.url", `ext::${trap.program}`],
        ["protocol.ext.allow", "always"],
      );
      const oid = git(trap.dir, "rev-parse", "HEAD:a").trim();
      rmSync(join(trap.dir, ".git/objects", oid.slice(0, 2), oid.slice(2)));
    },
    refused: "bad_repository",
  },
  {
    name: "an object that is missing",
    build: ({ dir }) => {
      const oid = git(dir, "rev-parse", "HEAD:a").trim();
      rmSync(join(dir, ".git/objects", oid.slice(0, 2), oid.slice(2)));
    },
    refused: "bad_repository",
  },
  {
    name: "a submodule in the index",
    build: ({ dir }) => {
      const head = git(dir, "rev-parse", "HEAD").trim();
      git(dir, "update-index", "--add", "--cacheinfo", `160000,${head},sub`);
    },
    refused: "bad_repository",
  },
  ...[
    "config",
    "HEAD",
    "index",
    "packed-refs",
    "info/exclude",
    "shallow",
    "refs/heads/x",
    "objects/info/alternates",
  ].flatMap((path) => [replaced(`.git/${path}`, "fifo"), replaced(`.git/${path}`, "secret")]),
  {
    name: "refs/tags is a link to somebody's",
    build: ({ dir, victim }) => {
      rmSync(join(dir, ".git/refs/tags"), { recursive: true });
      symlinkSync(`${victim}/.git/refs/tags`, join(dir, ".git/refs/tags"));
    },
    refused: "bad_repository",
  },
  {
    name: "HEAD names a file outside",
    build: ({ dir }) => writeFileSync(join(dir, ".git/HEAD"), "ref: refs/heads/../../../../secret/file\n"),
    refused: "bad_repository",
  },
  {
    name: "HEAD is a reference to itself",
    build: ({ dir }) => writeFileSync(join(dir, ".git/refs/heads/main"), "ref: refs/heads/main\n"),
    refused: "bad_repository",
  },
  {
    name: "a tag with a newline in packed-refs and one that leads out",
    build: ({ dir }) => {
      const head = git(dir, "rev-parse", "HEAD").trim();
      writeFileSync(
        join(dir, ".git/packed-refs"),
        `${head} refs/tags/../../x\n${head} refs/tags/\x1b[31m\n${"0".repeat(40)} refs/tags/none\n`,
      );
    },
    check: (extracted) =>
      readFileSync(join(extracted, ".git/packed-refs"), "latin1").includes("tags")
        ? "tags travelled"
        : undefined,
  },
  indexName("../xx"),
  indexName("/etc/"),
  indexName(".git/"),
  indexName("d/../"),
  indexName("d//bb"),
  rawIndex("more entries than it has", (index) => {
    index.writeUInt32BE(0x7fffffff, 8);
    return index;
  }),
  rawIndex("half of its bytes", (index) => index.subarray(0, index.length / 2)),
  rawIndex("no bytes", () => Buffer.alloc(0)),
  rawIndex("version 99", (index) => {
    index.writeUInt32BE(99, 4);
    return index;
  }),
];
