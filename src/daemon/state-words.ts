/**
 * What `banger update` asks of the database, of one version of banger or the other, as the user whose it is:
 *
 *   bangerd --check-migrations [--system]   status 0: this version reads it as it is; 1: it will migrate it; 2: it cannot read it
 *   bangerd --keep-state [--system]         a copy of it, because it will be migrated; no daemon may run
 *   bangerd --put-back-state [--system]     the copy is the database again, if there is one; no daemon may run
 *   bangerd --drop-kept-state [--system]    the copy is given up
 */
import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyDatabase, fitnessOf } from "../state/state.ts";
import { syncDirectory } from "../sys/sys.ts";
import type { DaemonPlace } from "./place.ts";

type Task = (database: string) => Promise<number>;

const copyOf = (database: string) => `${database}.before-update`;
const asideOf = (database: string) => `${database}.before-update.new`;

const tasks: Readonly<Record<string, Task>> = {
  "--check-migrations": async (database) => {
    const fitness = fitnessOf(database);
    if (fitness === "newer") process.stderr.write(`${database} was written by a newer banger\n`);
    return { compatible: 0, "will migrate": 1, newer: 2 }[fitness];
  },
  "--keep-state": async (database) => {
    const [copy, aside] = [copyOf(database), asideOf(database)];
    await rm(aside, { force: true });
    if (!existsSync(database)) return 0;
    copyDatabase(database, aside);
    const file = await open(aside, "r");
    await file.sync().finally(() => file.close());
    await rename(aside, copy);
    await syncDirectory(dirname(database));
    return 0;
  },
  "--put-back-state": async (database) => {
    if (!existsSync(copyOf(database))) return 0;
    // They belong to what is replaced: SQLite would read them into the other one.
    for (const suffix of ["-wal", "-shm"]) await rm(database + suffix, { force: true });
    await rename(copyOf(database), database);
    await syncDirectory(dirname(database));
    return 0;
  },
  "--drop-kept-state": async (database) => {
    for (const path of [copyOf(database), asideOf(database)]) await rm(path, { force: true });
    return 0;
  },
};

/** What the words ask for; undefined when that is a daemon. */
export function stateTask(words: readonly string[]): Task | undefined {
  const word = words.find((each) => Object.hasOwn(tasks, each));
  return word === undefined ? undefined : tasks[word];
}

/** The status to end with. */
export async function runStateTask(task: Task, { paths }: DaemonPlace): Promise<number> {
  try {
    return await task(join(paths.state, "banger.db"));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}
