/** The names that files have until they are whole, and what of these a process that was killed has left. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, unlinkSync } from "node:fs";

const whose = /^\.banger-copy-([0-9]+)-[0-9a-f]{12}$/;

/** A name that nobody else uses, and that says whose it is. */
export function asideName(): string {
  return `.banger-copy-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** Removes what is left in a directory of those that are no more. What cannot be removed stays. */
export function removeAbandoned(directory: string | Buffer): void {
  try {
    for (const name of readdirSync(directory)) {
      const [, pid] = whose.exec(name) ?? [];
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      unlinkSync(Buffer.concat([Buffer.from(directory), Buffer.from(`/${name}`)]));
    }
  } catch {
    // Not to be listed, or another's: it is in nobody's way.
  }
}
