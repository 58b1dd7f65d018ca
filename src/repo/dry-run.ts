/** What `--dry-run` prints. */
import { formatBytes } from "../base/base.ts";
import { lfsPointers } from "./lfs.ts";
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
  for (const file of listing.included) yield `${fileLine(file)} (included)`;
  for (const path of listing.ignored) yield `not copied, by .bangerignore: ${printable(path)}`;
  yield* stayBehind(repo, listing);
  const files = [...listing.tracked, ...listing.untracked, ...listing.included];
  const bytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  yield `${files.length} files, ${formatBytes(bytes)}, and the history of HEAD`;
}

/** Notices, each once, about what does not travel or not as somebody may think it does. */
export function stayBehind(repo: Repository, listing: FileListing): string[] {
  const notices = listing.nestedRepositories.map((path) => `skipped a repository inside: ${printable(path)}`);
  const { skippedUntracked: count, ignored } = listing;
  if (count > 0) notices.push(`skipped ${files(count, "untracked")}; copy them too with --include-untracked`);
  if (ignored.length > 0) notices.push(`skipped ${files(ignored.length, "tracked")}, as .bangerignore says`);
  const pointers = lfsPointers(repo, listing);
  const [first] = pointers;
  if (first !== undefined) {
    const what = pointers.length === 1 ? "is a pointer" : `and ${pointers.length - 1} more are pointers`;
    notices.push(`${printable(first)} ${what} of Git LFS, without content; to copy that: git lfs pull`);
  }
  return notices;
}

function files(count: number, kind: string): string {
  return count === 1 ? `1 ${kind} file` : `${count} ${kind} files`;
}

function fileLine(file: WorkspaceFile): string {
  const mode = file.kind === "symlink" ? "120000" : file.executable ? "100755" : "100644";
  return `${mode} ${printable(file.path)}`;
}
