/** What the helper refuses, and in which words. Pure: facts in, a refusal out. */
import type { Stats } from "node:fs";
import { basename, isAbsolute, normalize } from "node:path";
import { BangerError } from "../base/base.ts";
import { rootOwnedProblem } from "../config/config.ts";

/** Whether a peer of the socket may ask for anything. */
export function mayConnect(peer: { uid: number }, owner: { uid: number }): boolean {
  return peer.uid === 0 || peer.uid === owner.uid;
}

export interface OwnedFile {
  uid: number;
  /** One: nothing else uses the file. Any: the store shares it by hard links. */
  links: "one" | "any";
}

/** Of an open file: what its name means by now does not matter. */
export function checkOwnedFile(
  path: string,
  found: Pick<Stats, "uid" | "nlink"> & { isFile(): boolean },
  { uid, links }: OwnedFile,
): void {
  if (!found.isFile()) throw refused(`${path} is not a regular file`);
  if (found.uid !== uid) throw refused(`${path} belongs to user ${found.uid}, not to the owner`);
  if (links === "one" && found.nlink !== 1) throw refused(`${path} has ${found.nlink} names instead of one`);
}

/** `problem`: of the directories above it. Throws for a program that anybody but root could have put there. */
export function checkProgram(
  path: string,
  found: Pick<Stats, "uid" | "mode"> & { isFile(): boolean },
  problem: string | undefined,
): void {
  const why = found.isFile() ? (rootOwnedProblem(found) ?? problem) : "it is not a regular file";
  if (why !== undefined) {
    throw refused(
      `root does not run ${path}: ${why}`,
      "install it as root, below directories that are root's alone",
    );
  }
  if ((found.mode & 0o111) === 0) throw refused(`${path} is not executable`);
}

/** A path of the root-owned config, which must mean one thing only. */
export function checkConfiguredPath(key: string, path: string): void {
  if (isAbsolute(path) && normalize(path) === path && !path.endsWith("/")) return;
  throw new BangerError(
    "bad_config",
    `${key} = ${JSON.stringify(path)} is not an absolute path in its plain form`,
  );
}

/** Jails are in a directory named like the program (jailer's rule), and bangerd knows them by one name. */
export function checkFirecrackerName(path: string): void {
  if (basename(path) === "firecracker") return;
  throw new BangerError("bad_config", `the program ${path} must be named firecracker`, {
    hint: "jails are named after it: install it under that name",
  });
}

/** The directory that holds all jails. */
export function checkJailBase(
  path: string,
  found: Pick<Stats, "uid" | "mode"> & { isDirectory(): boolean },
  problem: string | undefined,
): void {
  const why = found.isDirectory() ? (rootOwnedProblem(found) ?? problem) : "it is not a directory";
  if (why !== undefined) throw refused(`no jail is made in ${path}: ${why}`);
}

export function refused(message: string, hint?: string): BangerError {
  return new BangerError("denied", message, { hint });
}
