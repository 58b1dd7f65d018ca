/**
 * Sets a branch of the host's repository, the way git lays them out (gitrepository-layout(5)), without git: it would read the
 * repository's configuration, and run its hooks. The reflog keeps what the branch was before.
 */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runGit } from "./git.ts";
import { appendFile, insideGitDir, replaceFile } from "./git-dir-writer.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";
import { readMetadata, readMetadataDir } from "./read-metadata.ts";
import { branchNameProblem, conflictingRef } from "./refs.ts";

export interface BranchUpdate {
  /** Without `refs/heads/`. */
  branch: string;
  to: string;
  /** Also when that takes commits off it that are not banger's. */
  force: boolean;
  /** For the reflog: what happened. */
  because: string;
}

const said = "banger: ";

/** Whether the branch could be set to anything. Throws bad_request, already_exists or precondition. */
export function checkBranch(repo: Repository, branch: string): void {
  const problem = branchNameProblem(branch);
  const shown = printable(Buffer.from(branch));
  // ASCII, so that a name is the same in bytes and on every file system.
  if (problem !== undefined || !/^[\x21-\x7e]{1,200}$/.test(branch)) {
    const why = problem ?? "at most 200 letters, digits and signs of ASCII are taken";
    throw new BangerError("bad_request", `${shown} is no branch name for this: ${why}`, {
      hint: "see: git help check-ref-format",
    });
  }
  const ref = refOf(branch);
  const { byName } = repo.inside.refs;
  const others = { ...repo.inside.refs, byName: new Map([...byName].filter(([name]) => name !== ref)) };
  const other = conflictingRef(others, ref);
  if (other !== undefined) {
    const name = printable(Buffer.from(other.slice("refs/heads/".length), "latin1"));
    throw new BangerError("already_exists", `there is a branch ${name}, so ${shown} cannot be one`, {
      hint: "name another: --branch NAME",
    });
  }
  const holder = checkedOutAt(repo, ref);
  if (holder === undefined) return;
  throw new BangerError("precondition", `the branch ${shown} is checked out (${holder})`, {
    hint: "switch to another one first, or name another: --branch NAME",
  });
}

/** Sets it. Throws precondition when that would take commits off it that somebody else put there. */
export async function writeBranch(
  repo: Repository,
  update: BranchUpdate,
  signal?: AbortSignal,
): Promise<void> {
  checkBranch(repo, update.branch);
  const ref = refOf(update.branch);
  const { commonDir } = repo.inside.at;
  const old = repo.inside.refs.byName.get(ref);
  if (old === update.to) return;
  if (
    old !== undefined &&
    !update.force &&
    !isOurs(repo, ref, old) &&
    !(await leadsTo(repo, old, update.to, signal))
  ) {
    const shown = printable(Buffer.from(update.branch));
    throw new BangerError("precondition", `the branch ${shown} has commits that would be taken off it`, {
      hint: "name another one with --branch NAME, or replace it with --force",
    });
  }
  const parts = ref.split("/");
  const name = parts.pop() ?? "";
  insideGitDir(commonDir, parts, (dir) => {
    const now = currentLoose(commonDir, ref);
    if (now !== undefined && now !== old) throw moved(ref);
    // The lock that git takes, too, and the new file in one.
    if (!replaceFile(dir, name, `${name}.lock`, Buffer.from(`${update.to}\n`))) throw moved(ref);
  });
  insideGitDir(commonDir, ["logs", ...parts], (dir) => {
    const zero = "0".repeat(update.to.length);
    const seconds = Math.floor(Date.now() / 1000);
    const who = `banger <banger@localhost> ${seconds} +0000`;
    appendFile(
      `${dir}/${name}`,
      Buffer.from(`${old ?? zero} ${update.to} ${who}\t${said}${update.because}\n`),
    );
  });
}

/** Whether the branch is where banger left it: what it put there it may put elsewhere, and the reflog has both. */
function isOurs(repo: Repository, ref: string, at: string): boolean {
  const log = readMetadata(join(repo.inside.at.commonDir, "logs", ref), 16 * 1024 * 1024);
  const last = log?.toString("latin1").trimEnd().split("\n").at(-1) ?? "";
  return last.split(" ")[1] === at && last.includes(`\t${said}`);
}

async function leadsTo(repo: Repository, old: string, to: string, signal?: AbortSignal): Promise<boolean> {
  const args = ["merge-base", "--is-ancestor", old, to];
  return (await runGit(repo.inside.place, args, { signal, okStatuses: [1] })).status === 0;
}

/** The work tree that has the branch checked out, if one has. */
function checkedOutAt(repo: Repository, ref: string): string | undefined {
  const { commonDir } = repo.inside.at;
  const linked = readMetadataDir(join(commonDir, "worktrees")).filter((entry) => entry.isDirectory());
  for (const dir of [commonDir, ...linked.map(({ name }) => join(commonDir, "worktrees", name))]) {
    const head = readMetadata(join(dir, "HEAD"), 4096)?.toString("latin1").trim();
    if (head === `ref: ${ref}`) return printable(Buffer.from(dir.replace(/\/\.git$/, "")));
  }
  return undefined;
}

function currentLoose(commonDir: string, ref: string): string | undefined {
  return readMetadata(join(commonDir, ref), 4096)?.toString("latin1").trim();
}

function moved(ref: string): BangerError {
  return new BangerError("precondition", `${printable(Buffer.from(ref))} is being changed by somebody else`, {
    hint: "try again; when nobody is, remove its .lock file in .git",
  });
}

function refOf(branch: string): string {
  return `refs/heads/${branch}`;
}
