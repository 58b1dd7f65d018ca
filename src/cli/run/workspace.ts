/** The repository that vm run copies, as the CLI sees it. */
import type { Readable } from "node:stream";
import type { Project } from "../../project/project.ts";
import type { Workspace } from "../../rpc/contract.ts";

export interface WorkspaceOptions {
  includeUntracked: boolean;
  branch: string | undefined;
  from: string | undefined;
  /** Read what the repository itself asks for. */
  project: boolean;
  /** Give commands the tools of mise, where the repository has files of it. */
  bootstrap: boolean;
}

/** An opened, checked repository whose packing has begun: what can fail for the user's reasons has not failed. */
export interface WorkspaceSource {
  workspace: Workspace;
  /** What the user should know before it is copied, such as files that stay behind. */
  notices: string[];
  /** What the repository asks for; undefined when it asks for nothing, or nobody wants to know. */
  project: Project | undefined;
  /** Its files that say which tools it needs, to mise; none with bootstrap off. */
  toolFiles: string[];
  /** What is copied, a line per file, harmless for a terminal. */
  dryRun(): Iterable<string>;
  /** The tar stream; ends with an error when the repository changes under it. */
  tar: Readable;
  /** Ends the packing and removes what it needed; idempotent. */
  close(): void;
}
