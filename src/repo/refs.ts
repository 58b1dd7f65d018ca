/** Reads a repository's references (HEAD, branches, tags, remote branches), without git. Names are Latin-1 strings of bytes. */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";
import { readMetadata, readMetadataNames } from "./read-metadata.ts";

export interface Refs {
  /** Full name (`refs/heads/main`) to object name in hex. Only branches, tags and remote branches. */
  byName: Map<string, string>;
  head: string;
  /** The branch HEAD is on, `refs/heads/...`, or undefined when HEAD is detached. */
  headRef: string | undefined;
}

const kept = /^refs\/(?:heads|tags|remotes)\//;
const oidPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const maxPackedRefsBytes = 256 * 1024 * 1024;

/** Throws bad_repository for a repository without a commit and for references that are not understood. */
export function readRefs(gitDir: string, commonDir: string): Refs {
  const byName = new Map<string, string>();
  const symbolic = new Map<string, string>();
  const packed = readMetadata(join(commonDir, "packed-refs"), maxPackedRefsBytes)?.toString("latin1") ?? "";
  for (const line of packed.split("\n")) {
    const space = line.indexOf(" ");
    const name = line.slice(space + 1);
    if (oidPattern.test(line.slice(0, space)) && kept.test(name) && refNameProblem(name) === undefined) {
      byName.set(name, line.slice(0, space));
    }
  }
  for (const kind of ["heads", "tags", "remotes"]) {
    readLoose(Buffer.from(join(commonDir, "refs", kind)), `refs/${kind}`, byName, symbolic, 0);
  }
  for (const [name, target] of symbolic) {
    const oid = resolveRef(target, byName, symbolic);
    if (oid !== undefined) byName.set(name, oid);
  }
  const head = readMetadata(join(gitDir, "HEAD"), 4096)?.toString("latin1").trim() ?? "";
  if (oidPattern.test(head)) return { byName, head, headRef: undefined };
  const target = /^ref:\s*(refs\/heads\/.+)$/.exec(head)?.[1];
  if (target === undefined || refNameProblem(target) !== undefined) {
    throw new BangerError(
      "bad_repository",
      `HEAD is not understood: ${printable(Buffer.from(head, "latin1"))}`,
      {
        hint: "check the repository with: git status",
      },
    );
  }
  const oid = resolveRef(target, byName, symbolic);
  if (oid === undefined) {
    throw new BangerError("bad_repository", "the repository has no commit yet", {
      hint: 'make one: git add . && git commit -m "first"',
    });
  }
  return { byName, head: oid, headRef: target };
}

function readLoose(
  dir: Buffer,
  prefix: string,
  byName: Map<string, string>,
  symbolic: Map<string, string>,
  depth: number,
): void {
  if (depth > 64) return;
  for (const entry of readMetadataNames(dir)) {
    const name = `${prefix}/${entry.name.toString("latin1")}`;
    if (entry.isDirectory) {
      readLoose(entry.path, name, byName, symbolic, depth + 1);
    } else if (refNameProblem(name) === undefined) {
      const text = readMetadata(entry.path, 4096)?.toString("latin1").trim() ?? "";
      const target = /^ref:\s*(.+)$/.exec(text)?.[1];
      if (oidPattern.test(text)) byName.set(name, text);
      else if (target !== undefined) symbolic.set(name, target);
    }
  }
}

function resolveRef(
  name: string,
  byName: Map<string, string>,
  symbolic: Map<string, string>,
): string | undefined {
  let at = name;
  for (let hops = 0; hops < 5; hops += 1) {
    const next = symbolic.get(at);
    if (next === undefined) return byName.get(at);
    at = next;
  }
  return undefined;
}

/** Says what is wrong with a full reference name by the rules of git-check-ref-format(1), or undefined. */
export function refNameProblem(name: string): string | undefined {
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return "it has a character that git does not allow";
  if (name.includes("..") || name.includes("@{")) return "it contains '..' or '@{'";
  if (name.endsWith(".")) return "it ends with '.'";
  for (const part of name.split("/")) {
    if (part === "") return "it has an empty part";
    if (part.startsWith(".")) return "a part starts with '.'";
    if (part.endsWith(".lock")) return "a part ends with '.lock'";
  }
  return name.length > 1024 ? "it is too long" : undefined;
}

/** Says what is wrong with a new branch's name, or undefined. */
export function branchNameProblem(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.startsWith("-")) return "it starts with '-'";
  if (name === "HEAD" || name === "@") return "git reserves it";
  return refNameProblem(`refs/heads/${Buffer.from(name, "utf8").toString("latin1")}`);
}

/** The existing branch that stands in the way of a new one (`refs/heads/...` both), or undefined. */
export function conflictingRef(refs: Refs, ref: string): string | undefined {
  for (const name of refs.byName.keys()) {
    if (name === ref || name.startsWith(`${ref}/`) || ref.startsWith(`${name}/`)) return name;
  }
  return undefined;
}
