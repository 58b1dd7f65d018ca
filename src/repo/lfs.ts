/** Files whose content Git LFS keeps elsewhere: what the work tree has of them may be a pointer of three lines. */
import { closeSync, readSync } from "node:fs";
import { join } from "node:path";
import type { FileListing } from "./list.ts";
import type { Repository } from "./open.ts";
import { readMetadata } from "./read-metadata.ts";
import { TreeReader } from "./tree-reader.ts";

/** git-lfs's own specification: a pointer begins so, and has less than 1024 bytes. */
const beginning = Buffer.from("version https://git-lfs.github.com/spec/v1\n");
const mostPointerBytes = 1024;
/** Looking at more would be felt; one that is found is enough to tell of. */
const mostLookedAt = 5000;
const maxAttributesBytes = 1024 * 1024;

/** Names of tracked files that are pointers here, and so will be in the guest. Empty where the repository does not use LFS. */
export function lfsPointers(repo: Repository, listing: FileListing): Buffer[] {
  if (listing.commit !== undefined || !usesLfs(repo)) return [];
  const small = listing.tracked.filter(
    ({ kind, sizeBytes }) => kind === "file" && sizeBytes >= beginning.length && sizeBytes < mostPointerBytes,
  );
  const reader = new TreeReader(repo.root);
  try {
    return small.slice(0, mostLookedAt).flatMap(({ path }) => (isPointer(reader, path) ? [path] : []));
  } finally {
    reader.close();
  }
}

/** By the attributes at the root, where `git lfs track` writes them. */
function usesLfs(repo: Repository): boolean {
  try {
    return (
      readMetadata(join(repo.root, ".gitattributes"), maxAttributesBytes)?.includes("filter=lfs") === true
    );
  } catch {
    return false; // no plain file: git does not read it either
  }
}

function isPointer(reader: TreeReader, path: Buffer): boolean {
  const opened = reader.open(path, false);
  if (opened.kind !== "file") return false;
  try {
    const head = Buffer.alloc(beginning.length);
    return readSync(opened.fd, head) === head.length && head.equals(beginning);
  } finally {
    closeSync(opened.fd);
  }
}
