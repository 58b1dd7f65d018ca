/**
 * The repo room: the host repository, seen from the CLI.
 *
 * Owns finding a repository, listing what belongs to a workspace and streaming it as a tar with a .git made for the
 * guest; and taking a guest's work back, as a branch or into the work tree. Promises: nothing that a repository or a guest
 * says is ever run or followed; no byte from outside the work tree is read, none is written outside of it and of .git; a
 * stream that ends is complete; nothing of the user's that is in no commit is lost. Writes to the repository only where it
 * takes work back. Never talks to a daemon or a guest.
 */
export { type Applied, applyWork } from "./apply.ts";
export { treeOf } from "./baseline.ts";
export { dryRunLines, stayBehind } from "./dry-run.ts";
export { gitProcessCount } from "./git.ts";
export { hasCommit, hasTree, headCommit } from "./head.ts";
export type { FileListing, ListOptions, WorkspaceFile } from "./list.ts";
export { listFiles } from "./list.ts";
export { locateWorkTree } from "./locate.ts";
export type { OpenOptions, Repository } from "./open.ts";
export { openRepository } from "./open.ts";
export type { PackedWorkspace, PackOptions } from "./pack.ts";
export { packWorkspace } from "./pack.ts";
export { printable } from "./printable.ts";
export type { GuestWork } from "./receive.ts";
export { mostPackBytes, receiveWork } from "./receive.ts";
export { parseGuestState } from "./replaceable.ts";
export { planReplacement, type Replacement } from "./replacement.ts";
export { hasWork, takeAsBranch } from "./take-branch.ts";
export { readWorkTreeFile } from "./work-tree-file.ts";
