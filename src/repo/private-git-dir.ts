/**
 * A private git directory that stands in for the repository's own.
 *
 * Git acts on what it finds in a git directory: configuration starts programs (core.fsmonitor, filters, hooks, pagers,
 * ssh commands, remote helpers), includes files, moves the work tree. So git never gets to see the repository's. It is
 * given a copy of the data it needs - references, index, exclude patterns, shallow boundary - beside a configuration
 * of ours, and reads only the objects and the work tree in place. Objects that it writes, or that come from a guest, are
 * kept here too: the repository's own are an alternate, which git never writes to.
 */
import { lstatSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { BangerError } from "../base/base.ts";
import { type ConfigEntry, formatConfigFile, lastValue } from "./config-file.ts";
import { contentConfig, identityConfig } from "./content-config.ts";
import type { GitPlace } from "./git.ts";
import type { Located } from "./locate.ts";
import { readMetadata, readMetadataDir } from "./read-metadata.ts";
import type { Refs } from "./refs.ts";
import type { RepoSettings } from "./repo-settings.ts";

/** The copied data, also wanted in the guest. */
export interface PrivateGitDir {
  place: GitPlace;
  /** The index as found, or undefined when there is none. */
  index: Buffer | undefined;
  /** When the index was written, milliseconds: younger files may have changed without a trace in their stat. */
  indexTimeMs: number;
  shallow: Buffer | undefined;
  exclude: Buffer | undefined;
}

const maxIndexBytes = 1024 * 1024 * 1024;
const maxTextBytes = 16 * 1024 * 1024;

/** Writes the private directory below `scratch`. Throws bad_repository for data that git did not lay out. */
export function createPrivateGitDir(
  scratch: string,
  at: Located,
  objectDir: string,
  refs: Refs,
  settings: RepoSettings,
): PrivateGitDir {
  const gitDir = join(scratch, "git");
  mkdirSync(join(gitDir, "refs"), { recursive: true });
  mkdirSync(join(gitDir, "info"));
  const ownObjects = join(scratch, "objects");
  mkdirSync(join(ownObjects, "info"), { recursive: true });
  mkdirSync(join(ownObjects, "pack"));
  writeFileSync(join(ownObjects, "info", "alternates"), alternateLine(objectDir));
  const indexFile = join(gitDir, "index");
  const place: GitPlace = { gitDir, workTree: at.root, objectDir: ownObjects, indexFile };
  writeFileSync(join(gitDir, "HEAD"), `${refs.head}\n`);
  writeFileSync(join(gitDir, "packed-refs"), formatPackedRefs(refs.byName));
  writePrivateConfig(place, settings, { userConfig: [], excludesFile: undefined });
  const indexPath = join(at.gitDir, "index");
  const indexTimeMs = lstatSync(indexPath, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const index = readMetadata(indexPath, maxIndexBytes);
  if (index !== undefined) {
    writeFileSync(place.indexFile, index);
    // Its time, too: by it git knows which files may have changed since without a trace in their stat.
    utimesSync(place.indexFile, new Date(indexTimeMs), new Date(indexTimeMs));
  }
  const shallow = readShallow(at.commonDir);
  if (shallow !== undefined) writeFileSync(join(gitDir, "shallow"), shallow);
  const exclude = readMetadata(join(at.commonDir, "info", "exclude"), maxTextBytes);
  if (exclude !== undefined) writeFileSync(join(gitDir, "info", "exclude"), exclude);
  return { place, index, indexTimeMs, shallow, exclude };
}

/** As git reads it (alternates in gitrepository-layout(5)): an absolute path, with a line break in C quotes. */
function alternateLine(path: string): string {
  if (!path.includes("\n")) return `${path}\n`;
  return `"${path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"\n`;
}

/** A split index keeps its entries in files beside it; git needs those too to write a full one. */
export function copySharedIndexes(at: Located, gitDir: string): void {
  for (const { name } of readMetadataDir(at.gitDir)) {
    if (!/^sharedindex\.[0-9a-f]{40,64}$/.test(name)) continue;
    const bytes = readMetadata(join(at.gitDir, name), maxIndexBytes);
    if (bytes !== undefined) writeFileSync(join(gitDir, name), bytes);
  }
}

/** The configuration that git runs with. `excludesFile` = the user's own ignore patterns, when configured. */
export function writePrivateConfig(
  place: GitPlace,
  settings: RepoSettings,
  { userConfig, excludesFile }: { userConfig: readonly ConfigEntry[]; excludesFile: string | undefined },
): void {
  const core = (key: string, value: string): ConfigEntry => ({
    section: "core",
    subsection: undefined,
    key,
    value,
  });
  const entries = [
    core("repositoryformatversion", settings.hashBytes === 32 ? "1" : "0"),
    core("bare", "false"),
    core("fsmonitor", "false"),
    core("hooksPath", "/dev/null"),
    core("attributesFile", "/dev/null"),
    core("untrackedCache", "false"),
    core("splitIndex", "false"),
    core("fileMode", String(settings.fileMode)),
    // Names that another file system would take for .git are refused here too: a guest's tree may go on to one.
    core("protectHFS", "true"),
    core("protectNTFS", "true"),
    // Whoever commits with this configuration is banger, where the user has no name.
    { section: "user", subsection: undefined, key: "name", value: "banger" },
    { section: "user", subsection: undefined, key: "email", value: "banger@localhost" },
    ...contentConfig(userConfig, settings.entries),
    ...identityConfig(userConfig, settings.entries),
    { section: "index", subsection: undefined, key: "sparse", value: "false" },
    { section: "gc", subsection: undefined, key: "auto", value: "0" },
  ];
  const ignoreCase = lastValue(settings.entries, "core", "ignorecase");
  if (ignoreCase !== undefined) entries.push(core("ignorecase", ignoreCase === "true" ? "true" : "false"));
  if (excludesFile !== undefined) entries.push(core("excludesFile", excludesFile));
  if (settings.hashBytes === 32) {
    entries.push({ section: "extensions", subsection: undefined, key: "objectformat", value: "sha256" });
  }
  writeFileSync(join(place.gitDir, "config"), formatConfigFile(entries));
}

/** An ignore file named by a configuration, as an absolute path, if it is a plain file; git would wait for a pipe. */
export function usableExcludesFile(value: string | undefined, root: string): string | undefined {
  if (value === undefined || value === "") return undefined;
  const text = Buffer.from(value, "latin1").toString("utf8");
  const path = text.startsWith("~/")
    ? join(homedir(), text.slice(2))
    : isAbsolute(text)
      ? text
      : join(root, text);
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true ? path : undefined;
}

/** `packed-refs` text; git wants it sorted. */
export function formatPackedRefs(byName: ReadonlyMap<string, string>): Buffer {
  const lines = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, oid]) => `${oid} ${name}\n`);
  return Buffer.from(`# pack-refs with: sorted\n${lines.join("")}`, "latin1");
}

function readShallow(commonDir: string): Buffer | undefined {
  const bytes = readMetadata(join(commonDir, "shallow"), maxTextBytes);
  if (bytes === undefined || bytes.length === 0) return undefined;
  if (!/^(?:[0-9a-f]{40}(?:[0-9a-f]{24})?\n)*$/.test(bytes.toString("latin1"))) {
    throw new BangerError("bad_repository", "the repository's shallow file is damaged", {
      hint: "fetch the whole history: git fetch --unshallow",
    });
  }
  return bytes;
}
