/** Joins vm run to the repo room. Loaded only when there is a repository to copy. */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import {
  dryRunLines,
  openRepository,
  packWorkspace,
  parseGuestState,
  planReplacement,
  printable,
  stayBehind,
  treeOf,
} from "../../repo/repo.ts";
import type { Context } from "../context.ts";
import { escapeLine } from "../output/escape.ts";
import type { WorkspaceOptions, WorkspaceSource } from "./workspace.ts";

/** Where a workspace goes in the guest, unless somebody says otherwise. */
const usualGuestPath = "/root/repo";

export async function openWorkspace(
  ctx: Pick<Context, "cwd" | "signal">,
  path: string,
  options: WorkspaceOptions,
): Promise<WorkspaceSource> {
  const { signal } = ctx;
  const repo = await openRepository(resolve(ctx.cwd, path), { signal });
  try {
    const { includeUntracked, include, branch, from, guestPath = usualGuestPath } = options;
    const packed = await packWorkspace(repo, {
      ...{ includeUntracked, include },
      signal,
      ...(branch === undefined ? {} : { branch }),
      ...(from === undefined ? {} : { from }),
    });
    // An error before anybody reads is kept by the stream and found by its reader.
    packed.stream.on("error", () => {});
    const { includedDigest } = packed.listing;
    const whole =
      realpathSync(resolve(ctx.cwd, path)) === repo.root
        ? []
        : [
            `copying the whole repository ${printable(Buffer.from(repo.root))}; commands start in ${escapeLine(guestPath)}`,
          ];
    return {
      workspace: {
        ...{ guestPath, hostPath: repo.root, head: packed.head },
        ...(includeUntracked ? { untracked: true } : {}),
        ...(include.length > 0 ? { include: [...include] } : {}),
        ...(includedDigest === undefined ? {} : { included: includedDigest }),
      },
      notices: [...whole, ...stayBehind(repo, packed.listing)],
      tree: () => treeOf(repo, packed.baseline, signal),
      replace: (state, how) => planReplacement(repo, packed, parseGuestState(state), { ...how, signal }),
      dryRun: () => dryRunLines(repo, packed.listing),
      tar: packed.stream,
      close: () => {
        packed.stream.destroy();
        repo.close();
      },
    };
  } catch (error) {
    repo.close();
    throw error;
  }
}
