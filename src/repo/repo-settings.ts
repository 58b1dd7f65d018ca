/** What a repository's configuration says that matters here; everything else in it is ignored, above all what runs. */
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { BangerError } from "../base/base.ts";
import { booleanValue, type ConfigEntry, lastValue, parseConfigFile } from "./config-file.ts";
import type { Located } from "./locate.ts";
import { printable } from "./printable.ts";
import { readMetadata } from "./read-metadata.ts";

export interface RepoSettings {
  entries: ConfigEntry[];
  /** Bytes of an object name: 20 (SHA-1) or 32 (SHA-256). */
  hashBytes: 20 | 32;
  /** False where the file system has no executable bit: the index then knows better. */
  fileMode: boolean;
  /** Name of the remote that a partial clone fetches missing objects from. */
  promisorRemote: string | undefined;
  /** Contents of a sparse-checkout file, when sparse checkout is on. */
  sparsePatterns: Buffer | undefined;
}

const maxConfigBytes = 4 * 1024 * 1024;
// gitrepository-layout(5) and config.extensions: those that change nothing about what is read here.
const harmlessExtensions = new Set([
  "noop",
  "noop-v1",
  "preciousobjects",
  "worktreeconfig",
  "objectformat",
  "partialclone",
  "refstorage",
  "compatobjectformat",
  "relativeworktrees",
]);

/** Throws bad_repository for a repository that is bare, has its work tree elsewhere, or is of a format not known. */
export function readRepoSettings(at: Located): RepoSettings {
  const config = readMetadata(join(at.commonDir, "config"), maxConfigBytes);
  const entries = config === undefined ? [] : parseConfigFile(config, ".git/config");
  if (booleanValue(lastValue(entries, "extensions", "worktreeconfig")) === true) {
    const own = readMetadata(join(at.gitDir, "config.worktree"), maxConfigBytes);
    if (own !== undefined) entries.push(...parseConfigFile(own, ".git/config.worktree"));
  }
  checkFormat(entries);
  // In a linked work tree, core.bare and core.worktree of the shared configuration are the main one's affair.
  const linked = at.gitDir !== at.commonDir;
  if (!linked && booleanValue(lastValue(entries, "core", "bare")) === true) {
    throw refused(
      "the repository is bare (core.bare): it has no files to copy",
      "clone it and name the clone",
    );
  }
  const workTree = lastValue(entries, "core", "worktree");
  if (!linked && workTree !== undefined) checkWorkTree(at, Buffer.from(workTree, "latin1").toString("utf8"));
  const promisor =
    lastValue(entries, "extensions", "partialclone") ??
    entries.find((e) => e.section === "remote" && e.key === "promisor" && booleanValue(e.value) === true)
      ?.subsection;
  const sparse = booleanValue(lastValue(entries, "core", "sparsecheckout")) === true;
  return {
    entries,
    hashBytes: lastValue(entries, "extensions", "objectformat")?.toLowerCase() === "sha256" ? 32 : 20,
    fileMode: booleanValue(lastValue(entries, "core", "filemode")) ?? true,
    promisorRemote: promisor,
    sparsePatterns: sparse
      ? readMetadata(join(at.gitDir, "info", "sparse-checkout"), maxConfigBytes)
      : undefined,
  };
}

function checkFormat(entries: readonly ConfigEntry[]): void {
  const version = lastValue(entries, "core", "repositoryformatversion") ?? "0";
  if (version !== "0" && version !== "1") {
    throw refused(
      `the repository has format version ${printable(Buffer.from(version, "latin1"))}, banger knows 0 and 1`,
      undefined,
    );
  }
  for (const { section, key, value } of entries) {
    if (section !== "extensions") continue;
    const shown = printable(Buffer.from(`${key} = ${value}`, "latin1"));
    if (version === "1" && !harmlessExtensions.has(key)) {
      throw refused(`the repository uses an extension that banger does not know: ${shown}`, undefined);
    }
    if (key === "refstorage" && value.toLowerCase() !== "files") {
      throw refused(
        `the repository keeps its references in a format that banger does not read: ${shown}`,
        "convert it: git refs migrate --ref-format=files",
      );
    }
    if (key === "objectformat" && !/^sha(?:1|256)$/i.test(value)) {
      throw refused(`the repository's object format is not known: ${shown}`, undefined);
    }
  }
}

function checkWorkTree(at: Located, workTree: string): void {
  let real: string | undefined;
  try {
    real = realpathSync(resolve(at.gitDir, workTree));
  } catch {
    // It names nothing that exists: refused below like any other place.
  }
  if (real !== at.root) {
    throw refused(
      `the repository says that its files are elsewhere (core.worktree = ${printable(Buffer.from(workTree))})`,
      "take the setting out: git config --unset core.worktree",
    );
  }
}

function refused(message: string, hint: string | undefined): BangerError {
  return new BangerError("bad_repository", message, { hint });
}
