/** An update that has begun to change things, on the disk before the first of them: for the next one, if this one is killed. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { atomicWrite, syncDirectory } from "../sys/sys.ts";

const Pending = z.strictObject({
  /** Names of directories of versions: config/installed.ts. */
  from: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/),
  to: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/),
  /** Checks of the doctor's that failed before it. */
  failing: z.array(z.string()),
  /** The database will be another one: a copy of it is kept to go back to. */
  migrates: z.boolean(),
});
export type Pending = z.infer<typeof Pending>;

const placeIn = (updates: string) => join(updates, "pending.json");

/** Undefined when none was cut off; also for what cannot be read, which is then nothing that could be gone on with. */
export async function recallPending(updates: string): Promise<Pending | undefined> {
  const text = await readFile(placeIn(updates), "utf8").catch(() => "");
  try {
    return Pending.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writePending(updates: string, pending: Pending): Promise<void> {
  await atomicWrite(placeIn(updates), `${JSON.stringify(pending)}\n`, { mode: 0o644 });
}

export async function dropPending(updates: string): Promise<void> {
  await rm(placeIn(updates), { force: true });
  await syncDirectory(updates);
}
