/** Making file systems whose files are root's: as root, or as the root of a user namespace of one's own. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ownNamespace } from "../../../src/image/namespace.ts";
import { ownedByLiving, runChecked } from "../../../src/sys/sys.ts";

export async function asRoot(program: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  if (process.getuid?.() === 0) await runChecked(program, args, options);
  else await runChecked("unshare", [...ownNamespace, program, ...args], options);
}

/** Removes what killed builders left in a directory of staged ones; some of it may not be this user's. */
export async function removeStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (name.startsWith(".staging-") && !(await ownedByLiving(path))) await asRoot("rm", ["-rf", "--", path]);
  }
}
