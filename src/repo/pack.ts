/** Packs a workspace: everything that can fail for a reason the user can mend fails before the first byte. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { BangerError, toBangerError } from "../base/base.ts";
import { hasStagedChanges, makeBaseline, preparedRef } from "./baseline.ts";
import { guestGitFiles } from "./guest-git.ts";
import { type BranchOptions, packHistory, planBranch, selectHistory } from "./history.ts";
import { type FileListing, listFiles } from "./list.ts";
import type { Repository } from "./open.ts";
import { removeScratch } from "./scratch.ts";
import { workspaceTar } from "./workspace-tar.ts";

export interface PackOptions extends BranchOptions {
  includeUntracked: boolean;
  /** See ListOptions. */
  include?: readonly string[];
  /** A listing made with the same options, to save making it again. */
  listing?: FileListing;
  /** Ends the stream and everything behind it. */
  signal?: AbortSignal;
}

export interface PackedWorkspace {
  /** A tar of the workspace, paths relative to its root. Fails with a BangerError; ends only when it is complete. */
  readonly stream: Readable;
  /** The commit that HEAD is at in the guest, hex. */
  readonly head: string;
  /** The branch that the guest is on, or undefined when HEAD is detached. */
  readonly branch: string | undefined;
  /** The commit that stands for what is copied, hex: see baseline.ts. */
  readonly baseline: string;
  /** Files and links in the list, without .git. */
  readonly files: number;
  /** Untracked files that stay behind because nobody asked for them. */
  readonly skippedUntracked: number;
  readonly listing: FileListing;
  /** Leaves these files (names in Latin-1) out of the stream: who gets it has them. Only before it is read. */
  leaveOut(names: ReadonlySet<string>): void;
}

/**
 * Starts packing. Throws for a bad branch, an unknown start commit, an unreadable file, a missing commit; then the
 * stream begins with the files at once, while git makes the pack of the history. Destroying the stream ends it all.
 *
 * `branch` makes a branch in the guest. From HEAD (the default), edits and staged changes come along, as with
 * `git switch -c NAME`. From another commit the guest gets exactly that commit, without the edits made on top of HEAD.
 */
export async function packWorkspace(repo: Repository, options: PackOptions): Promise<PackedWorkspace> {
  const { signal, from } = options;
  const newRef = planBranch(repo, options);
  // Beside the listing, where the commit is known beforehand.
  const early =
    from === undefined
      ? Promise.all([
          selectHistory(repo, repo.head, newRef, undefined, signal),
          hasStagedChanges(repo, signal),
        ])
      : undefined;
  early?.catch(() => {});
  const listing =
    options.listing ??
    (await listFiles(repo, {
      includeUntracked: options.includeUntracked,
      ...(options.include === undefined ? {} : { include: options.include }),
      ...(from === undefined ? {} : { from }),
      ...(signal === undefined ? {} : { signal }),
    }));
  if (listing.commit !== undefined && (options.includeUntracked || (options.include ?? []).length > 0)) {
    throw new BangerError(
      "bad_request",
      "untracked files belong to HEAD's work tree, not to another commit",
      {
        hint: "leave out --include-untracked and --include, or --from",
      },
    );
  }
  const head = listing.commit?.oid ?? repo.head;
  const [selected, staged] = await (early ??
    Promise.all([selectHistory(repo, head, newRef, from, signal), hasStagedChanges(repo, signal)]));
  const baseline = listing.commit === undefined ? await makeBaseline(repo, listing, staged, signal) : head;
  const history = { ...selected, refs: new Map(selected.refs).set(preparedRef, baseline) };
  const texts = guestGitFiles(repo.inside, history);
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const dir = mkdtempSync(join(repo.inside.scratch, "pack-"));
  const packs = packHistory(repo, history, listing.commit === undefined, dir, stop.signal);
  // Awaited when the files have been sent; a failure meanwhile must not count as unhandled.
  const packed = packs.then(
    () => {},
    () => {},
  );
  repo.inside.busy.add(packed);
  const plan = { repo, listing, texts, packs, leftOut: new Set<string>(), signal: stop.signal };
  const pieces = workspaceTar(plan);
  const stream = Readable.from(bangerErrors(pieces), { objectMode: false, highWaterMark: 1024 * 1024 });
  stream.once("close", () => {
    signal?.removeEventListener("abort", onAbort);
    stop.abort();
    // Not before git has ended: it would write into a directory that is being removed.
    void packed.then(() => removeScratch(dir));
  });
  // The abort must reach a stream that nobody is reading, too.
  stop.signal.addEventListener("abort", () => {
    if (!stream.readableEnded) stream.destroy(new BangerError("cancelled", "cancelled"));
  });
  const branch = history.headRef?.slice("refs/heads/".length);
  return {
    stream,
    head,
    branch: branch === undefined ? undefined : Buffer.from(branch, "latin1").toString("utf8"),
    baseline,
    files: listing.tracked.length + listing.untracked.length + listing.included.length,
    skippedUntracked: listing.skippedUntracked,
    listing,
    leaveOut: (names) => {
      for (const name of names) plan.leftOut.add(name);
    },
  };
}

async function* bangerErrors(pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    throw toBangerError(error);
  }
}
