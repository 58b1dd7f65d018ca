/** The directories of an installation: root's and the owner's. */
import { chmod, chown, lstat, mkdir, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { BangerError } from "../../base/base.ts";
import { runChecked, syncDirectory } from "../../sys/sys.ts";
import { exists } from "./put.ts";

export interface Directory {
  path: string;
  mode: number;
  uid: number;
  gid: number;
}

/**
 * Makes the directory, or gives one that is there already its mode. Throws precondition when it is another user's:
 * somebody's data would change hands. Its parent is root's, so nobody can change between these calls what they name.
 */
export async function ensureDirectory({ path, mode, uid, gid }: Directory): Promise<void> {
  if (!(await exists(path))) {
    await mkdir(path, { mode: 0o700 });
    await chown(path, uid, gid);
    await syncDirectory(dirname(path));
  }
  const found = await lstat(path);
  if (!found.isDirectory()) throw new BangerError("precondition", `${path} is not a directory`);
  if (found.uid !== uid) {
    throw new BangerError("precondition", `${path} belongs to user ${found.uid}, not to ${uid}`, {
      hint: `what is in it is somebody else's: move it away, or install for that user (getent passwd ${found.uid})`,
    });
  }
  await chmod(path, mode);
}

/**
 * Removes a directory with everything in it, never anything else. rm(1) walks by descriptors and follows nothing: unlike a
 * walk by names it cannot be led astray by what an owner moves meanwhile. Never crosses a mount. Absent is success.
 */
export async function removeDirectory(path: string): Promise<void> {
  await runChecked("rm", ["-rf", "--one-file-system", "--", path]);
}

/** Removes a directory that nobody has put anything else into. */
export async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // EBUSY: a control group with others below it.
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY"].includes(String(code))) throw error;
  }
}
