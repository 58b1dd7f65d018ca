/** The database and another version of banger: whether that one could read it, and a copy, because a newer one changes it for good. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { migrations as allMigrations, type Migration } from "./migrations.ts";

/** `newer`: it was written by a banger that this one is older than. */
export type Fitness = "compatible" | "will migrate" | "newer";

/** Reads it, also while a daemon has it open, and changes nothing. Throws what SQLite throws for one that cannot be read. */
export function fitnessOf(path: string, migrations: readonly Migration[] = allMigrations): Fitness {
  if (!existsSync(path)) return "compatible";
  return reading(path, (db) => {
    const table = db.query("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'").get();
    const rows = table === null ? [] : db.query<{ id: number }, []>("SELECT id FROM schema_migrations").all();
    const applied = new Set(rows.map(({ id }) => id));
    if (Math.max(0, ...applied) > Math.max(0, ...migrations.map(({ id }) => id))) return "newer";
    return migrations.every(({ id }) => applied.has(id)) ? "compatible" : "will migrate";
  });
}

/** `copy` must not be there. The caller makes it durable. */
export function copyDatabase(path: string, copy: string): void {
  reading(path, (db) => db.query("VACUUM INTO ?").run(copy));
}

function reading<T>(path: string, read: (db: Database) => T): T {
  const db = new Database(path, { readonly: true, strict: true });
  try {
    db.run("PRAGMA busy_timeout = 5000");
    return read(db);
  } finally {
    db.close();
  }
}
