/**
 * The repo room: the host repository, seen from the CLI.
 *
 * Owns finding a repository, listing what belongs to a workspace and streaming it as a tar with a .git made for the
 * guest. Promises: nothing that a repository says is ever run or followed; no byte from outside the work tree is read;
 * a stream that ends is complete. Never writes to the repository, never talks to a daemon or a guest.
 */
export { dryRunLines, skippedNotice } from "./dry-run.ts";
export { gitProcessCount } from "./git.ts";
export type { FileListing, ListOptions, WorkspaceFile } from "./list.ts";
export { listFiles } from "./list.ts";
export { locateWorkTree } from "./locate.ts";
export type { OpenOptions, Repository } from "./open.ts";
export { openRepository } from "./open.ts";
export type { PackedWorkspace, PackOptions } from "./pack.ts";
export { packWorkspace } from "./pack.ts";
export { printable } from "./printable.ts";
export { readWorkTreeFile } from "./work-tree-file.ts";
