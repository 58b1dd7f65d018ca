/** The repository that vm run copies, as the CLI sees it. */
import type { Readable } from "node:stream";
import type { PinnedTool, Project } from "../../project/project.ts";
import type { Workspace } from "../../rpc/contract.ts";

export interface WorkspaceOptions {
  /** Default: where vm run puts it. */
  guestPath?: string;
  includeUntracked: boolean;
  /** Named by the user, whatever git says of it. */
  include: readonly string[];
  branch: string | undefined;
  from: string | undefined;
  /** Read what the repository itself asks for. */
  project: boolean;
  /** Give commands the tools of mise, where the repository has files of it. */
  bootstrap: boolean;
  /** Look for versions that are pinned outside of mise's files: to be installed, or only to be told of. */
  pinned?: "install" | "tell" | undefined;
}

/** An opened, checked repository whose packing has begun: what can fail for the user's reasons has not failed. */
export interface WorkspaceSource {
  workspace: Workspace;
  /** What the user should know before it is copied, such as files that stay behind. */
  notices: string[];
  /** Paths that the repository wants along and that are not here. */
  missing: readonly string[];
  /** What the repository asks for; undefined when it asks for nothing, or nobody wants to know. */
  project: Project | undefined;
  /** Its files that say which tools it needs, to mise; none with bootstrap off. */
  toolFiles: string[];
  /** Versions that it pins elsewhere; none where it has files of mise, which then say all. */
  pinned: PinnedTool[];
  /** The tree of what is copied: two are equal when their content is. */
  tree(): Promise<string>;
  /**
   * What this copy means to a guest that says it has `state`: what it would lose (names, harmless for a terminal) and what is to be
   * removed there first (repo room's Replacement). From then on the tar has only what that guest lacks. `hasIncluded`: it was given the included files before, the very same.
   */
  replace(state: Buffer, how: { hasIncluded: boolean }): Promise<{ lost: string[]; removals: Buffer }>;
  /** What is copied, a line per file, harmless for a terminal. */
  dryRun(): Iterable<string>;
  /** The tar stream; ends with an error when the repository changes under it. */
  tar: Readable;
  /** Ends the packing and removes what it needed; idempotent. */
  close(): void;
}
