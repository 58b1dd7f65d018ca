/** What would be lost if a guest's workspace were replaced by the host's. */
import { BangerError } from "../base/base.ts";
import { type Change, checkName, type Entry, gitlink, parseRawDiff, sameEntry, strange } from "./changes.ts";
import { runGit } from "./git.ts";
import { hostContent } from "./host-content.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";

const mostRefs = 10_000;

/** What the guest has: references with what they point to, its files, and what it changed since it was prepared. */
export interface GuestState {
  refs: { oid: string; name: Buffer }[];
  /** All that git there tracks or would add, by the name in Latin-1, as it is on its disk. */
  files: Map<string, Entry>;
  changes: Change[];
}

/**
 * NUL-ended records: references as "OID NAME", an empty one, files as "TAG MODE OID STAGE<tab>NAME" (git ls-files -v -s), an empty
 * one; then raw differences. Throws guest_failed for anything else.
 */
export function parseGuestState(bytes: Buffer): GuestState {
  const refs: GuestState["refs"] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(0, at);
    if (end < 0 || refs.length > mostRefs) throw strange("a list of references that git does not write");
    const record = bytes.subarray(at, end);
    at = end + 1;
    if (record.length === 0) break;
    const space = record.indexOf(0x20);
    const oid = record.toString("latin1", 0, Math.max(0, space));
    if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(oid)) throw strange("a reference that git does not write");
    refs.push({ oid, name: record.subarray(space + 1, space + 1 + 1024) });
  }
  const files: GuestState["files"] = new Map();
  for (;;) {
    const end = bytes.indexOf(0, at);
    if (end < 0) throw strange("a list of files that git does not write");
    const record = bytes.subarray(at, end);
    at = end + 1;
    if (record.length === 0) break;
    const tab = record.indexOf(9);
    const fields = /^([A-Za-z]) ([0-7]{6}) ([0-9a-f]{40,64}) [0-3]$/.exec(
      record.toString("latin1", 0, Math.max(0, tab)),
    );
    if (fields === null) throw strange("a list of files that git does not write");
    const [, tag, mode = "", oid = ""] = fields;
    const path = record.subarray(tab + 1);
    checkName(path);
    const bits = Number.parseInt(mode, 8);
    // H: on the disk as it is said. Others are not there (sparse), or not looked at.
    if (tag === "H" && bits !== gitlink) files.set(path.toString("latin1"), { mode: bits, oid });
  }
  return { refs, files, changes: parseRawDiff(bytes.subarray(at)) };
}

export interface Loss {
  /** Names, safe for a terminal, of what is in the guest alone: references with commits, then files. Empty: nothing. */
  lost: string[];
  /** Files that the guest has made or changed and that are the very same here, by their names in Latin-1. */
  onBothSides: Set<string>;
}

export async function lostByReplacing(
  repo: Repository,
  state: GuestState,
  signal?: AbortSignal,
): Promise<Loss> {
  const lost: string[] = [];
  const refs = state.refs.filter(({ name }) => !name.toString("latin1").startsWith("refs/banger/"));
  const input = Buffer.from(refs.map(({ oid }) => `${oid}\n`).join(""));
  const args = ["cat-file", "--batch-check=%(objecttype)"];
  const { stdout } = await runGit(repo.inside.place, args, { signal, input });
  const answers = stdout.toString("latin1").split("\n");
  for (const [n, { name }] of refs.entries()) {
    const answer = answers[n];
    if (answer === undefined) throw new BangerError("operation_failed", "git cat-file ended early");
    // HEAD is on a branch, mostly, and that is named already.
    const named = refs.slice(0, n).some((other) => other.oid === refs[n]?.oid);
    if (answer.endsWith(" missing") && !named) lost.push(`commits of ${printable(name)}`);
  }
  const { entries } = await hostContent(
    repo,
    state.changes.map(({ path }) => path),
    signal,
  );
  const onBothSides = new Set<string>();
  for (const { path, after } of state.changes) {
    const name = path.toString("latin1");
    if (!sameEntry(entries.get(name), after))
      lost.push(after === undefined ? `${printable(path)} (deleted)` : printable(path));
    else if (after !== undefined) onBothSides.add(name);
  }
  return { lost, onBothSides };
}
