/**
 * A repository into a VM that runs, in place of what an earlier copy put there, if nothing is lost by that: what the guest has
 * and the host has not is named, and stays, unless it is given up with --force.
 */
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { Context, Daemon } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { escapeLine } from "../output/escape.ts";
import { startProgress } from "../output/progress.ts";
import { importWorkspace, PackFailed } from "../run/import.ts";
import type { WorkspaceSource } from "../run/workspace.ts";
import { withWorkspaceLock } from "./lock.ts";
import { clearScript, lookScript, preparedScript, removeScript, settleScript } from "./scripts.ts";

/** What is where the workspace goes. */
type Found =
  | { kind: "nothing" | "files" | "halfway" }
  /** `state`: what the repo room's parser takes. */
  | { kind: "repository"; state: Buffer };

const mostStateBytes = 256 * 1024 * 1024;
const shown = 10;

/** `head`: the commit that was copied last, as far as it is known. */
async function lookInGuest(
  client: Daemon,
  place: { ref: string; guestPath: string; head: string },
  signal: AbortSignal,
): Promise<Found> {
  const said = await answerOf(client, place.ref, lookScript, [place.guestPath, place.head], signal);
  const line = said.toString("latin1", 0, Math.max(0, said.indexOf(10)));
  if (line === "nothing" || line === "files" || line === "halfway") return { kind: line };
  if (line !== "repository") throw new BangerError("guest_failed", "the guest did not say what it has there");
  return { kind: "repository", state: said.subarray(said.indexOf(10) + 1) };
}

async function answerOf(
  client: Daemon,
  ref: string,
  script: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  await guestOutput(client, { ref, script, args, maxBytes: mostStateBytes }, signal, async (output) => {
    for await (const chunk of output) chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

/** Throws precondition, naming what would be lost. */
function refuseLoss(lost: readonly string[], guestPath: string): void {
  if (lost.length === 0) return;
  const names = lost.slice(0, shown).map((name) => `\n${name}`);
  if (lost.length > shown) names.push(`\nand ${lost.length - shown} more`);
  throw new BangerError(
    "precondition",
    `${escapeLine(guestPath)} has changes that are not here:${names.join("")}`,
    { hint: "bring them here first with banger vm pull, or give them up: --force" },
  );
}

/** Replaces. Where it fails halfway the next one finds that out, and what was there is in the guest's git. */
async function replaceInGuest(
  ctx: Context,
  client: Daemon,
  ref: string,
  source: WorkspaceSource,
  removals: Buffer | undefined,
): Promise<void> {
  const { guestPath } = source.workspace;
  const run = (script: string, bytes?: Buffer) => {
    const input = bytes === undefined ? undefined : Readable.from([bytes], { objectMode: false });
    const request = { ref, script, args: [guestPath], input, maxBytes: 65_536 };
    return guestOutput(client, request, ctx.signal, async (output) => {
      for await (const _ of output);
    });
  };
  const progress = startProgress(ctx);
  let begun = false;
  try {
    await (removals === undefined ? run(clearScript) : run(removeScript, removals));
    begun = true;
    await importWorkspace(client, ref, source, { signal: ctx.signal, progress, now: ctx.now });
    await run(settleScript);
    progress.end();
  } catch (error) {
    const what = `${escapeLine(guestPath)} in the guest is not complete now`;
    if (begun) progress.note(`${what}; to copy it again: banger vm workspace prepare`);
    throw error instanceof PackFailed ? error.cause : error;
  } finally {
    progress.end();
  }
}

export interface Preparation {
  ref: string;
  /** Replace whatever is there. */
  force: boolean;
  /** The commit that was copied there last, if banger knows. */
  head: string;
  /** And the digest of what was included then. */
  included: string | undefined;
  /** Nothing is done where the very same was copied last. */
  onlyIfNew: boolean;
}

/** The whole of it, one at a time in a guest. Returns whether anything was copied. */
export async function prepareWorkspace(
  ctx: Context,
  client: Daemon,
  preparation: Preparation,
  source: WorkspaceSource,
): Promise<boolean> {
  if (preparation.onlyIfNew && (await isTheSame(ctx, client, preparation, source))) return false;
  const work = () => lookAndReplace(ctx, client, preparation, source);
  return withWorkspaceLock(client, preparation.ref, ctx.signal, work);
}

/** Whether the guest was prepared from the very same. Its own changes since do not matter then: nothing is replaced. */
async function isTheSame(
  ctx: Context,
  client: Daemon,
  { ref, head, included }: Preparation,
  { workspace, tree }: WorkspaceSource,
): Promise<boolean> {
  if (head !== workspace.head || included !== workspace.included) return false;
  const [here, there] = await Promise.all([
    tree(),
    answerOf(client, ref, preparedScript, [workspace.guestPath], ctx.signal),
  ]);
  return there.toString("latin1") === `${here}\n`;
}

async function lookAndReplace(
  ctx: Context,
  client: Daemon,
  preparation: Preparation,
  source: WorkspaceSource,
): Promise<boolean> {
  const { ref, force, head, included, onlyIfNew } = preparation;
  const { guestPath } = source.workspace;
  const found = await lookInGuest(client, { ref, guestPath, head }, ctx.signal).catch((error: unknown) => {
    // A guest without git, or whose repository is broken, has nothing to say; --force goes on all the same.
    if (!force || ctx.signal.aborted) throw error;
    return { kind: "unknown" } as const;
  });
  // Another one may have been quicker.
  if (onlyIfNew && (await isTheSame(ctx, client, preparation, source))) return false;
  if (found.kind === "files" && !force) {
    throw new BangerError(
      "precondition",
      `${escapeLine(guestPath)} holds files that banger did not put there`,
      {
        hint: "name another directory with --guest-path, or have them replaced where names collide: --force",
      },
    );
  }
  // Who asks for a copy gets all of it.
  const hasIncluded = onlyIfNew && included === source.workspace.included;
  const replacement =
    found.kind === "repository" ? await source.replace(found.state, { hasIncluded }) : undefined;
  if (replacement !== undefined && !force) refuseLoss(replacement.lost, guestPath);
  for (const notice of source.notices) ctx.note(notice);
  await replaceInGuest(ctx, client, ref, source, replacement?.removals);
  return true;
}
