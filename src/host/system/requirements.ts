/** What must be so before the installation is touched. */
import { BangerError } from "../../base/base.ts";
import { lockFile } from "../../sys/sys.ts";
import { exists } from "./put.ts";
import type { SystemHost } from "./system-host.ts";

/** Throws denied with the line that does it. */
export function needsRoot({ uid, asRoot }: SystemHost, what: string): void {
  if (uid === 0) return;
  throw new BangerError("denied", `banger ${what} needs root`, { hint: asRoot });
}

export async function needsSystemd({ places }: SystemHost): Promise<void> {
  if (await exists(places.systemdRuns)) return;
  throw new BangerError("host_missing", "systemd does not run here, and the services are its units", {
    hint: "banger works without them, as you: banger vm run",
  });
}

/** One at a time: two installs would take back each other's work. Throws unavailable. */
export async function exclusively<T>({ places }: SystemHost, work: () => Promise<T>): Promise<T> {
  const lock = lockFile(places.lock);
  if (lock === undefined) {
    throw new BangerError("unavailable", "another banger system command is under way", {
      hint: "try again when it has ended",
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}
