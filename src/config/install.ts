/** install.toml: for whom the system services were installed, and which build they are. Root writes it, all may read. */
import { readFileSync } from "node:fs";
import { parse, stringify } from "smol-toml";
import { BangerError } from "../base/base.ts";

export interface Owner {
  /** Never root: whoever reaches the owner's socket must not be root by that. */
  owner: string;
  uid: number;
  gid: number;
  home: string;
}

export interface Install extends Owner {
  version: string;
  commit: string;
  /** ISO 8601; "unknown" for a build that was not stamped. */
  built_at: string;
  installed_at: string;
}

/** Linux's highest id but one: the last means "no id" (chown(2)). */
const highestId = 2 ** 32 - 2;
const something = /^.+$/s;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/**
 * What is wrong with each field's value. No schema: every command reads this file where the services are installed, and
 * zod takes longer to load than all else that it does first.
 */
const problems: Readonly<Record<keyof Install, (value: unknown) => string | undefined>> = {
  owner: like(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$/, "not a user's name"),
  uid: idFrom(1),
  gid: idFrom(0),
  home: like(/^\/[^\0\n]*$/, "not an absolute path"),
  version: like(something, "not a version"),
  commit: like(something, "not a commit"),
  built_at: (value) => (value === "unknown" ? undefined : isTime(value)),
  installed_at: isTime,
};

function like(grammar: RegExp, otherwise: string): (value: unknown) => string | undefined {
  return (value) => (typeof value === "string" && grammar.test(value) ? undefined : otherwise);
}

function idFrom(least: number): (value: unknown) => string | undefined {
  return (value) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= highestId ? undefined : "not an id";
}

function isTime(value: unknown): string | undefined {
  return typeof value === "string" && time.test(value) && !Number.isNaN(Date.parse(value))
    ? undefined
    : "not a time";
}

/** Whether install.toml could name this user; a name alone is looked at by itself. */
export function canBeOwner(user: Owner | Pick<Owner, "owner">): boolean {
  return Object.entries(user).every(([key, value]) => problems[key as keyof Owner](value) === undefined);
}

/** What is wrong with the table; undefined when it is an Install. */
function problemOf(table: object): string | undefined {
  const stray = Object.keys(table).find((key) => !Object.hasOwn(problems, key));
  if (stray !== undefined) return `${stray}: not known`;
  for (const [key, problem] of Object.entries(problems)) {
    const found = Object.hasOwn(table, key) ? problem(Reflect.get(table, key)) : "missing";
    if (found !== undefined) return `${key}: ${found}`;
  }
  return undefined;
}

const maxBytes = 64 * 1024;

/** The installation that `path` tells of; undefined when there is no such file. Throws bad_config. */
export function readInstall(path: string): Install | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unusable(path, "it cannot be read", error);
  }
  if (text.length > maxBytes) throw unusable(path, "it is larger than 64 KiB");
  let table: object;
  try {
    table = parse(text);
  } catch (error) {
    throw unusable(path, "it is not TOML", error);
  }
  const problem = problemOf(table);
  if (problem !== undefined) throw unusable(path, problem);
  return Object.freeze({ ...(table as Install) });
}

/** What `readInstall` reads. Throws internal for what it would not. */
export function formatInstall(install: Install): string {
  const problem = problemOf(install);
  if (problem !== undefined) throw new BangerError("internal", `install.toml cannot be written: ${problem}`);
  return `# Written by banger system install: do not edit.\n${stringify(install)}\n`;
}

function unusable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError("bad_config", `${path} cannot be used: ${why}`, {
    hint: "write it anew: sudo banger system install --owner USER",
    cause,
  });
}
