/** The repository that vm run copies, as the CLI sees it. */
import type { Readable } from "node:stream";
import type { Workspace } from "../../rpc/contract.ts";

export interface WorkspaceOptions {
  includeUntracked: boolean;
  branch: string | undefined;
  from: string | undefined;
}

export interface WorkspaceSource {
  workspace: Workspace;
  /** Untracked files that stay behind because nobody asked for them. */
  skippedUntracked: number;
  /** What would be copied, a line per file, harmless for a terminal. */
  dryRun(): Promise<string[]>;
  /** The tar stream; ends with an error when the repository changes under it. */
  pack(signal: AbortSignal): Promise<Readable>;
}
