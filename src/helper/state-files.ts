/** The owner's files, opened with the owner's rights and checked by descriptor. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import { parentProblem } from "../config/config.ts";
import { openAs } from "../sys/sys.ts";
import type { Site } from "./operation.ts";
import { checkOwnedFile, type OwnedFile, refused } from "./policy.ts";

/** The state directory. The caller closes it. */
export function openState({ places, user }: Site): number {
  const problem = parentProblem(places.state);
  if (problem !== undefined) throw refused(`the state directory is not used: ${problem}`);
  const state = openSync(places.state, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const { uid } = fstatSync(state);
  if (uid === user.uid) return state;
  closeSync(state);
  throw refused(`${places.state} belongs to user ${uid}, not to the owner`);
}

/** A regular file of the owner's below the state directory. The caller closes it. */
export function openOwned(
  { user }: Site,
  state: number,
  path: string,
  flags: number,
  links: OwnedFile["links"],
): number {
  const file = openChecked(() => openAs(user, state, path, flags), path);
  try {
    checkOwnedFile(path, fstatSync(file), { uid: user.uid, links });
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function openChecked(open: () => number, path: string): number {
  try {
    return open();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT") throw new BangerError("not_found", `${path} does not exist`, { cause });
    // A symlink, a mount, a directory, or something of another user's on the way.
    if (typeof code === "string" && /^(ELOOP|EXDEV|ENOTDIR|EISDIR|EACCES|EPERM|ENXIO|EAGAIN)$/.test(code))
      throw new BangerError("denied", `${path} is not used: ${code}`, { cause });
    throw cause;
  }
}
