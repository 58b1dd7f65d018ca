/** What `--dry-run` prints. */
import { formatBytes } from "../base/base.ts";
import type { FileListing, WorkspaceFile } from "./list.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";

/** Lines for a terminal, names escaped: what travels (mode and path, one a line), then what it amounts to. */
export function* dryRunLines(repo: Repository, listing: FileListing): Generator<string> {
  const what =
    listing.commit !== undefined
      ? `commit ${listing.commit.oid.slice(0, 12)}`
      : listing.untracked.length > 0
        ? "tracked and untracked files"
        : "tracked files";
  yield `workspace ${printable(Buffer.from(repo.root))} (${what})`;
  for (const file of listing.tracked) yield fileLine(file);
  for (const file of listing.untracked) yield `${fileLine(file)} (untracked)`;
  for (const path of listing.nestedRepositories) yield `skipped a repository inside: ${printable(path)}`;
  if (listing.skippedUntracked > 0) yield skippedNotice(listing.skippedUntracked);
  const files = [...listing.tracked, ...listing.untracked];
  const bytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  yield `${files.length} files, ${formatBytes(bytes)}, and the history of HEAD`;
}

/** The one notice about files that stay behind. */
export function skippedNotice(count: number): string {
  const files = count === 1 ? "1 untracked file" : `${count} untracked files`;
  return `skipped ${files}; copy them too with --include-untracked`;
}

function fileLine(file: WorkspaceFile): string {
  const mode = file.kind === "symlink" ? "120000" : file.executable ? "100755" : "100644";
  return `${mode} ${printable(file.path)}`;
}
