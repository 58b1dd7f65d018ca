/** Files that root trusts: nobody but root can have changed them, nor swapped them for others. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { BangerError } from "../base/base.ts";

/** Nothing of banger's that root reads is anywhere near this long. */
const maxBytes = 1024 * 1024;

/** The text of a root-owned file; undefined when there is none. Throws bad_config for one that others can change. */
export function readRootOwned(path: string): string | undefined {
  let file: number;
  try {
    // O_NONBLOCK: a FIFO of that name must not hold a service up.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new BangerError("bad_config", `${path} cannot be read`, {
      cause: error,
      hint: `look at it: ls -l ${path}`,
    });
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new BangerError("bad_config", `${path} is not a regular file`);
    const problem = rootOwnedProblem(found) ?? parentProblem(path);
    if (problem !== undefined) {
      throw new BangerError("bad_config", `${path} is not used: ${problem}`, {
        hint: `sudo chown root:root ${path} && sudo chmod go-w ${path}`,
      });
    }
    if (found.size > maxBytes) throw new BangerError("bad_config", `${path} is larger than 1 MiB`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

/** Why somebody other than root could have changed this; undefined when nobody could. */
export function rootOwnedProblem({ uid, mode }: Pick<Stats, "uid" | "mode">): string | undefined {
  if (uid !== 0) return `it belongs to user ${uid}, not to root`;
  if ((mode & 0o022) !== 0)
    return `its mode ${(mode & 0o7777).toString(8)} lets others than root write to it`;
  return undefined;
}

/**
 * The first directory above `path` in which somebody other than root could have swapped it, and why. Symlinks count as
 * such: what a name means is to be seen from the name.
 */
export function parentProblem(path: string): string | undefined {
  for (let at = dirname(path); ; at = dirname(at)) {
    const found = lstatSync(at);
    const problem = found.isDirectory() ? rootOwnedProblem(found) : "it is not a directory";
    if (problem !== undefined) return `${at}: ${problem}`;
    if (at === "/") return undefined;
  }
}
