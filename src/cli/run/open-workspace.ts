/** Joins vm run to the repo room. Loaded only when there is a repository to copy. */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { readProject } from "../../project/project.ts";
import { dryRunLines, openRepository, packWorkspace, printable, skippedNotice } from "../../repo/repo.ts";
import type { Context } from "../context.ts";
import { projectNotices } from "./project-spec.ts";
import { toolFilesOf } from "./tool-files.ts";
import type { WorkspaceOptions, WorkspaceSource } from "./workspace.ts";

/** Where a workspace goes in the guest. */
const guestPath = "/root/repo";

export async function openWorkspace(
  ctx: Pick<Context, "cwd" | "signal">,
  path: string,
  options: WorkspaceOptions,
): Promise<WorkspaceSource> {
  const { signal } = ctx;
  const repo = await openRepository(resolve(ctx.cwd, path), { signal });
  try {
    const { includeUntracked, branch, from } = options;
    // What it asks for is checked before anything is packed.
    const project = options.project ? await readProject(repo.root) : undefined;
    const packed = await packWorkspace(repo, {
      includeUntracked,
      signal,
      ...(branch === undefined ? {} : { branch }),
      ...(from === undefined ? {} : { from }),
    });
    // An error before anybody reads is kept by the stream and found by its reader.
    packed.stream.on("error", () => {});
    const nested = packed.listing.nestedRepositories.map(
      (inner) => `skipped a repository inside: ${printable(inner)}`,
    );
    const whole =
      realpathSync(resolve(ctx.cwd, path)) === repo.root
        ? []
        : [
            `copying the whole repository ${printable(Buffer.from(repo.root))}; the command starts in ${guestPath}`,
          ];
    const skipped = packed.skippedUntracked > 0 ? [skippedNotice(packed.skippedUntracked)] : [];
    const wanted = options.bootstrap && project?.settings.bootstrap !== false;
    const toolFiles = wanted ? toolFilesOf(packed.listing) : [];
    const { env = {} } = project?.settings ?? {};
    return {
      workspace: {
        ...{ guestPath, hostPath: repo.root, head: packed.head },
        ...(toolFiles.length === 0 ? {} : { tools: true }),
        ...(Object.keys(env).length === 0 ? {} : { env }),
      },
      notices: [...(project === undefined ? [] : projectNotices(project)), ...whole, ...skipped, ...nested],
      project,
      toolFiles,
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
