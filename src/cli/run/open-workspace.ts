/** Joins vm run to the repo room. Loaded only when there is a repository to copy. */
import { lstatSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Project, pinnedTools, readProject } from "../../project/project.ts";
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
import { toolFilesOf } from "./tool-files.ts";
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
    const { includeUntracked, branch, from, guestPath = usualGuestPath } = options;
    // What it asks for is checked before anything is packed.
    const project = options.project ? await readProject(repo.root) : undefined;
    const { here, missing } = askedFor(repo.root, project);
    const include = [...new Set([...options.include, ...here])];
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
    const wanted = options.bootstrap && project?.settings.bootstrap !== false;
    const toolFiles = wanted ? toolFilesOf(packed.listing) : [];
    const pinned =
      wanted && toolFiles.length === 0 && options.pinned !== undefined ? pinnedTools(repo.root) : [];
    const hasTools = toolFiles.length > 0 || (pinned.length > 0 && options.pinned === "install");
    const { env = {} } = project?.settings ?? {};
    return {
      workspace: {
        ...{ guestPath, hostPath: repo.root, head: packed.head },
        ...(includeUntracked ? { untracked: true } : {}),
        ...(include.length > 0 ? { include } : {}),
        ...(hasTools ? { tools: true } : {}),
        ...(Object.keys(env).length === 0 ? {} : { env }),
        ...(includedDigest === undefined ? {} : { included: includedDigest }),
      },
      missing,
      notices: [
        ...missing.map((name) => `${project?.file}: include ${escapeLine(name)} is not here`),
        ...whole,
        ...stayBehind(repo, packed.listing),
      ],
      project,
      toolFiles,
      pinned,
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

/** What the repository wants along: not everybody who has it has made all of that. */
function askedFor(root: string, project: Project | undefined): { here: string[]; missing: string[] } {
  const here: string[] = [];
  const missing: string[] = [];
  for (const path of project?.settings.include ?? []) {
    if (lstatSync(join(root, path), { throwIfNoEntry: false }) !== undefined) here.push(path);
    else missing.push(path);
  }
  return { here, missing };
}
