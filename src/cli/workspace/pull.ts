/** vm pull: a guest's work into the host's repository, which only the repo room writes to. */
import { resolve } from "node:path";
import { BangerError, shellWord } from "../../base/base.ts";
import {
  applyWork,
  type GuestWork,
  hasCommit,
  hasWork,
  mostPackBytes,
  openRepository,
  printable,
  type Repository,
  receiveWork,
  takeAsBranch,
} from "../../repo/repo.ts";
import { Quiet } from "../command.ts";
import type { Context, Daemon } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { escapeLine } from "../output/escape.ts";
import { followWork } from "./follow.ts";
import { noWorkspace, type Place, placeOf } from "./place.ts";
import { pullScript } from "./scripts.ts";

export interface PullRequest {
  ref: string;
  /** Of the repository; undefined: where it was copied from. */
  path: string | undefined;
  guestPath: string | undefined;
  branch: string | undefined;
  apply: boolean;
  force: boolean;
}

/** Names in one message. */
const shown = 10;

export async function pullWork(ctx: Context, request: PullRequest): Promise<void> {
  if (request.apply && (request.branch !== undefined || request.force)) {
    throw new BangerError("bad_request", "--apply changes the working tree, and no branch", {
      hint: "leave out --branch and --force, or --apply",
    });
  }
  const client = await ctx.client();
  const place = await placeOf(client, request.ref, request.guestPath, ctx.signal);
  const path = request.path ?? place.workspace?.hostPath;
  if (path === undefined) throw noWorkspace(place.vm);
  const repo = await openRepository(resolve(ctx.cwd, path), { signal: ctx.signal });
  try {
    const work = await receive(ctx, client, repo, place);
    for (const inner of work.nested)
      ctx.err(`left in the guest: ${printable(inner)}, a repository of its own`);
    const { name } = place.vm;
    if (!hasWork(work)) ctx.err(`${name} has nothing new for ${printable(Buffer.from(repo.root))}`);
    else if (request.apply) await intoWorkTree(ctx, repo, work, name);
    else await asBranch(ctx, repo, work, name, request);
  } finally {
    repo.close();
  }
}

async function receive(ctx: Context, client: Daemon, repo: Repository, place: Place): Promise<GuestWork> {
  const { vm, guestPath, workspace } = place;
  const head = workspace?.head ?? "";
  const known = (await hasCommit(repo, head, ctx.signal)) ? head : "";
  const script = { ref: vm.id, script: pullScript, args: [guestPath, head, known] };
  const following = followWork(ctx, { checked: true });
  try {
    return await guestOutput(client, { ...script, maxBytes: mostPackBytes + 8192 }, ctx.signal, (output) =>
      receiveWork(repo, following.counted(output), ctx.signal),
    );
  } finally {
    following.end();
  }
}

async function asBranch(
  ctx: Context,
  repo: Repository,
  work: GuestWork,
  vm: string,
  { branch = `banger/${vm}`, force }: PullRequest,
): Promise<void> {
  const { moved } = await takeAsBranch(repo, work, { ...{ branch, vm, force }, signal: ctx.signal });
  ctx.out(branch);
  const look = escapeLine(`git -C ${shellWord(repo.root)} log -p HEAD..${branch}`);
  ctx.note(`${moved ? newIn(work) : "nothing new"} of ${vm}; to see what there is: ${look}`);
}

function newIn({ commits, uncommitted }: GuestWork): string {
  const what = [
    ...(commits > 0 ? [commits === 1 ? "1 commit" : `${commits} commits`] : []),
    ...(uncommitted ? ["uncommitted changes"] : []),
  ];
  // All of it came with another branch.
  return what.length === 0 ? "the commits" : what.join(" and ");
}

async function intoWorkTree(ctx: Context, repo: Repository, work: GuestWork, vm: string): Promise<void> {
  const done = await applyWork(repo, work, { vm, signal: ctx.signal });
  const kept = (patch: string) => `the changes are kept as a patch: ${escapeLine(patch)}`;
  if (done.kind === "overlap") {
    const names = done.files.slice(0, shown).map((file) => `\n${printable(file)}`);
    if (done.files.length > shown) names.push(`\nand ${done.files.length - shown} more`);
    throw new BangerError(
      "precondition",
      `nothing is applied: edits here that are in no commit would be overwritten:${names.join("")}`,
      { hint: `commit or stash them and pull again; ${kept(done.patch)}` },
    );
  }
  for (const file of done.files) ctx.out(printable(file));
  for (const file of done.marked) ctx.err(`conflict, marked in the file: ${printable(file)}`);
  for (const file of done.left) ctx.err(`conflict, left as it is here: ${printable(file)}`);
  const count = done.files.length === 1 ? "1 file" : `${done.files.length} files`;
  const all = done.files.length === 0 && done.left.length === 0;
  ctx.err(all ? `all of ${vm}'s changes are here already` : `${count} changed here, nothing committed`);
  if (done.patch !== undefined) ctx.err(kept(done.patch));
  if (done.marked.length + done.left.length > 0) throw new Quiet(1);
}
