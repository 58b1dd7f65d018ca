/** A state directory has one daemon at a time. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Paths } from "../config/paths.ts";
import { type FileLock, lockFile } from "../sys/sys.ts";

/** How long a daemon that is on its way out may take, in ms. */
const handOverMs = 10_000;

/**
 * The state directory's lock, with this daemon's runtime directory in its file. Undefined when another daemon of the same
 * runtime directory runs or starts. One that ends, here or with another runtime directory, has no socket any more and is
 * waited for. Throws unavailable when one of another runtime directory runs.
 */
export async function takeStateLock(
  paths: Pick<Paths, "lock" | "runtime" | "socket" | "state">,
): Promise<FileLock | undefined> {
  for (const until = Date.now() + handOverMs; ; ) {
    const lock = lockFile(paths.lock);
    if (lock !== undefined) {
      writeFileSync(paths.lock, `${paths.runtime}\n`);
      return lock;
    }
    const holder = readFileSync(paths.lock, "utf8").trim() || paths.runtime;
    const late = Date.now() > until;
    if (existsSync(join(holder, "bangerd.sock")) || late) {
      if (holder === paths.runtime) return undefined;
      throw new BangerError(
        "unavailable",
        `another bangerd uses ${paths.state} already; its socket is in ${holder}`,
        { hint: `XDG_RUNTIME_DIR=${dirname(holder)} banger daemon stop` },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
