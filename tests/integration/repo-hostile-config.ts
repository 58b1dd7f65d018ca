import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { git } from "./repo-fixture.ts";
import {
  attribute,
  canary,
  config,
  gone,
  type HostileKind,
  refusedConfig,
  set,
} from "./repo-hostile-trap.ts";

export const configKinds: HostileKind[] = [
  config("core.fsmonitor"),
  config("core.fsmonitor", () => "true"),
  config("core.pager"),
  config("core.editor"),
  config("core.sshCommand"),
  config("core.gitProxy"),
  config("core.askPass"),
  config("core.alternateRefsCommand"),
  config("credential.helper"),
  config("diff.external"),
  config("gpg.program"),
  config("alias.ls-files", ({ program }) => `!${program}`),
  config("alias.config", ({ program }) => `!${program}`),
  config("alias.pack-objects", ({ program }) => `!${program}`),
  config("uploadpack.packObjectsHook"),
  config("remote.origin.vcs"),
  config("remote.origin.uploadpack"),
  config("remote.origin.url", ({ program }) => `ext::${program}`),
  config("protocol.allow", () => "always"),
  config("pager.ls-files"),
  config("interactive.diffFilter"),
  config("sequence.editor"),
  config("browser.x.cmd"),
  config("trace2.eventTarget", ({ dir }) => join(dirname(dir), "trace-was-written")),
  config("core.attributesFile", ({ secretFile }) => secretFile),
  config("core.excludesFile", ({ secretFile }) => secretFile),
  config("include.path", ({ secretFile }) => secretFile),
  attribute("filter=x", "filter.x.clean", "filter.x.smudge", "filter.x.process"),
  attribute("diff=x", "diff.x.command", "diff.x.textconv"),
  attribute("merge=x", "merge.x.driver"),
  {
    name: "an included file that sets core.fsmonitor",
    build: (trap) => {
      writeFileSync(join(trap.dir, "evil"), `[core]\n\tfsmonitor = ${trap.program}\n`);
      set(trap, ["include.path", "../evil"], [`includeIf.gitdir:${trap.dir}/.path`, "../evil"]);
    },
  },
  {
    name: "an included file that names somebody",
    build: (trap) => {
      writeFileSync(join(trap.secretDir, "ini"), `[user]\n\tname = ${canary}\n`);
      set(trap, ["include.path", join(trap.secretDir, "ini")]);
    },
  },
  {
    name: "hooks of every name",
    build: (trap) => {
      for (const hook of "post-index-change pre-commit post-checkout reference-transaction pre-auto-gc fsmonitor-watchman post-update".split(
        " ",
      )) {
        copyFileSync(trap.program, join(trap.dir, ".git/hooks", hook));
        chmodSync(join(trap.dir, ".git/hooks", hook), 0o755);
      }
    },
    check: (extracted) => gone("hooks")(join(extracted, ".git")),
  },
  config("core.hooksPath", ({ program }) => dirname(program)),
  {
    name: "a split index and hooks",
    build: (trap) => {
      set(trap, ["core.hooksPath", dirname(trap.program)]);
      copyFileSync(trap.program, join(dirname(trap.program), "post-index-change"));
      git(trap.dir, "-c", "core.hooksPath=/dev/null", "update-index", "--split-index");
    },
  },
  {
    name: "the program git in the repository",
    build: (trap) => copyFileSync(trap.program, join(trap.dir, "git")),
  },
  refusedConfig("core.worktree", ({ secretDir }) => secretDir),
  refusedConfig("core.worktree", () => "../../victim"),
  refusedConfig("core.bare", () => "true"),
  refusedConfig("core.repositoryformatversion", () => "7"),
  {
    name: "an extension that nobody knows",
    build: (trap) => set(trap, ["core.repositoryformatversion", "1"], ["extensions.evil", "yes"]),
    refused: "bad_repository",
  },
  {
    name: "configuration that is none",
    build: ({ dir }) => writeFileSync(join(dir, ".git/config"), "[core\n\0\x1b[31m"),
    refused: "bad_repository",
  },
];
