/** The .git directory that the guest gets: made from parts, so that nothing of the host's travels that was not chosen. */
import { BangerError } from "../base/base.ts";
import { booleanValue, type ConfigEntry, formatConfigFile, lastValue } from "./config-file.ts";
import { contentConfig, identityConfig } from "./content-config.ts";
import type { RepositoryInside } from "./open.ts";
import { formatPackedRefs } from "./private-git-dir.ts";
import { refNameProblem } from "./refs.ts";
import { sanitiseRemoteUrl } from "./remote-url.ts";

export interface GuestHistory {
  /** What HEAD says in the guest: a branch (`refs/heads/...`) or undefined for a detached HEAD. */
  headRef: string | undefined;
  headOid: string;
  /** Every reference that travels. Their objects are in the pack. */
  refs: ReadonlyMap<string, string>;
}

export interface GuestGitFile {
  path: string;
  content: Buffer;
}

/** Directories that git wants to find even when empty. */
export const guestGitDirectories: readonly string[] = [
  ".git",
  ".git/info",
  ".git/objects",
  ".git/objects/info",
  ".git/objects/pack",
  ".git/refs",
  ".git/refs/heads",
  ".git/refs/tags",
];

/** The text files of the guest's .git: HEAD, configuration, references, exclude patterns, shallow boundary. */
export function guestGitFiles(inside: RepositoryInside, history: GuestHistory): GuestGitFile[] {
  const head = history.headRef === undefined ? history.headOid : `ref: ${history.headRef}`;
  const files: GuestGitFile[] = [
    { path: ".git/HEAD", content: Buffer.from(`${head}\n`, "latin1") },
    { path: ".git/config", content: formatConfigFile(guestConfig(inside, history.headRef)) },
    { path: ".git/packed-refs", content: formatPackedRefs(history.refs) },
  ];
  const { exclude, shallow } = inside.private;
  if (exclude !== undefined) files.push({ path: ".git/info/exclude", content: exclude });
  if (shallow !== undefined) files.push({ path: ".git/shallow", content: shallow });
  if (inside.settings.sparsePatterns !== undefined) {
    files.push({ path: ".git/info/sparse-checkout", content: inside.settings.sparsePatterns });
  }
  return files;
}

/** The reference that the current branch is compared with (`refs/remotes/origin/main`), by its usual name. */
export function upstreamRef(inside: RepositoryInside): string | undefined {
  const branch = inside.refs.headRef?.slice("refs/heads/".length);
  if (branch === undefined) return undefined;
  const { remote, merge } = upstream(inside.settings.entries, branch);
  if (remote === undefined || merge === undefined) return undefined;
  return `refs/remotes/${remote}/${merge.slice("refs/heads/".length)}`;
}

function guestConfig({ settings, userConfig }: RepositoryInside, headRef: string | undefined): ConfigEntry[] {
  const { entries } = settings;
  const out: ConfigEntry[] = [];
  const put = (section: string, key: string, value: string, subsection?: string) =>
    out.push({ section, subsection, key, value });
  const remotes = safeRemotes(entries);
  const promisor = remotes.find((remote) => remote.name === settings.promisorRemote);
  const extended = settings.hashBytes === 32 || settings.promisorRemote !== undefined;
  put("core", "repositoryformatversion", extended ? "1" : "0");
  put("core", "filemode", "true");
  put("core", "bare", "false");
  put("core", "logallrefupdates", "true");
  // Compare only mtime in seconds and size: the rest of the host's stat data means nothing in the guest.
  put("core", "checkStat", "minimal");
  out.push(...contentConfig(userConfig, entries));
  // banger's own reference is no news in every `git log`.
  put("log", "excludeDecoration", "refs/banger/");
  if (settings.sparsePatterns !== undefined) {
    put("core", "sparseCheckout", "true");
    const cone = booleanValue(lastValue(entries, "core", "sparsecheckoutcone"));
    if (cone !== undefined) put("core", "sparseCheckoutCone", String(cone));
  }
  if (settings.hashBytes === 32) put("extensions", "objectformat", "sha256");
  if (settings.promisorRemote !== undefined) {
    if (promisor === undefined) {
      throw new BangerError(
        "bad_repository",
        "the repository is a partial clone of a remote that a guest cannot reach",
        {
          hint: "fetch everything: git fetch --refetch --no-filter",
        },
      );
    }
    put("extensions", "partialclone", promisor.name);
  }
  out.push(...identityConfig(userConfig, entries));
  for (const remote of remotes) {
    put("remote", "url", remote.url, remote.name);
    for (const refspec of remote.fetch) put("remote", "fetch", refspec, remote.name);
    if (remote === promisor) put("remote", "promisor", "true", remote.name);
  }
  const branch = headRef?.slice("refs/heads/".length);
  if (branch !== undefined) {
    const { remote, merge } = upstream(entries, branch);
    if (remote !== undefined && merge !== undefined && remotes.some(({ name }) => name === remote)) {
      put("branch", "remote", remote, branch);
      put("branch", "merge", merge, branch);
    }
  }
  return out;
}

function upstream(entries: readonly ConfigEntry[], branch: string): { remote?: string; merge?: string } {
  const value = (key: string) =>
    entries.findLast((e) => e.section === "branch" && e.subsection === branch && e.key === key)?.value;
  const remote = value("remote");
  const merge = value("merge");
  if (remote === undefined || merge === undefined || !isRemoteName(remote)) return {};
  return merge.startsWith("refs/heads/") && refNameProblem(merge) === undefined ? { remote, merge } : {};
}

function safeRemotes(entries: readonly ConfigEntry[]): { name: string; url: string; fetch: string[] }[] {
  const names = new Set<string>();
  for (const { section, subsection } of entries) {
    if (section === "remote" && subsection !== undefined && isRemoteName(subsection)) names.add(subsection);
  }
  return [...names].flatMap((name) => {
    const values = (key: string) =>
      entries
        .filter((e) => e.section === "remote" && e.subsection === name && e.key === key)
        .map((e) => e.value);
    const url = sanitiseRemoteUrl(values("url")[0] ?? "");
    if (url === undefined) return [];
    const fetch = values("fetch").filter((spec) =>
      /^\+?refs\/[^\s:\\"]+:refs\/remotes\/[^\s:\\"]+$/.test(spec),
    );
    return [{ name, url, fetch }];
  });
}

function isRemoteName(name: string): boolean {
  return (
    !name.startsWith("-") && !name.includes('"') && refNameProblem(`refs/remotes/${name}/x`) === undefined
  );
}
