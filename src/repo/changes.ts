/** What git says has changed between two trees, parsed strictly: the names come from a guest. */
import { BangerError } from "../base/base.ts";
import { checkWorkspacePath } from "./index-file.ts";
import { printable } from "./printable.ts";

/** A file's place in a tree: mode as in an index, object name in hex. */
export interface Entry {
  mode: number;
  oid: string;
}

export interface Change {
  path: Buffer;
  before: Entry | undefined;
  after: Entry | undefined;
}

export const gitlink = 0o160000;
const mostChanges = 500_000;

/** Parses `--raw -z --no-abbrev --no-renames`. Throws guest_failed for anything else. */
export function parseRawDiff(bytes: Buffer): Change[] {
  const changes: Change[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf(0, at);
    const nameEnd = end < 0 ? -1 : bytes.indexOf(0, end + 1);
    const header = /^:([0-7]{6}) ([0-7]{6}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [ADMT]$/.exec(
      end < 0 ? "" : bytes.toString("latin1", at, end),
    );
    if (nameEnd < 0 || header === null) throw strange("a list of changes that git does not write");
    const [, oldMode = "", newMode = "", oldOid = "", newOid = ""] = header;
    const path = bytes.subarray(end + 1, nameEnd);
    checkName(path);
    changes.push({ path, before: entryOf(oldMode, oldOid), after: entryOf(newMode, newOid) });
    if (changes.length > mostChanges) throw strange(`more than ${mostChanges} changed files`);
    at = nameEnd + 1;
  }
  return changes;
}

/** Throws guest_failed for a name that leads out of a work tree, or into a .git. */
export function checkName(path: Buffer): void {
  try {
    checkWorkspacePath(path);
  } catch {
    throw strange(`a file name that no work tree has: ${printable(path.subarray(0, 200))}`);
  }
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode;
}

function entryOf(mode: string, oid: string): Entry | undefined {
  const bits = Number.parseInt(mode, 8);
  return bits === 0 ? undefined : { mode: bits, oid };
}

export function strange(what: string): BangerError {
  return new BangerError("guest_failed", `the guest sent ${what}`);
}
