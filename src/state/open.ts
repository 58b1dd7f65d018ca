/** Opening the database: pragmas, integrity, migrations. */
import { Database } from "bun:sqlite";
import { renameSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import type { Journal } from "../pipeline/pipeline.ts";
import { type ArtifactTable, artifactTable } from "./artifacts.ts";
import { durably, reclaim } from "./durable.ts";
import { sqliteJournal } from "./journal.ts";
import { migrations as allMigrations, type Migration } from "./migrations.ts";
import { type VmTable, vmTable } from "./vms.ts";

export interface State {
  readonly vms: VmTable;
  readonly images: ArtifactTable;
  readonly kernels: ArtifactTable;
  readonly journal: Journal;
  /** Where a damaged database was moved to when this one was opened in its place. */
  readonly setAside: string | undefined;
  /** Runs a write that, like everything written before it, outlives a power cut; others outlive a kill. */
  durably<T>(write: () => T): T;
  /** Writes the log back into the database and cuts it, for a disk that is full. False when there is no room for that. */
  reclaim(): boolean;
  close(): void;
}

/**
 * Opens or makes the database at `path`. A damaged one is renamed to PATH.corrupt-TIME and a new one begun: the caller
 * rebuilds the rows from what is on disk. Throws bad_version for a schema newer than this program's.
 */
export function openState(path: string, migrations: readonly Migration[] = allMigrations): State {
  let setAside: string | undefined;
  let db: Database;
  try {
    db = openDatabase(path, migrations);
  } catch (error) {
    if (error instanceof BangerError && error.code !== "corrupt") throw error;
    if (!isDamage(error)) throw explainFailure(error, path);
    setAside = `${path}.corrupt-${new Date().toISOString().replaceAll(":", "")}`;
    for (const suffix of ["", "-wal", "-shm"]) renameIfThere(path + suffix, setAside + suffix);
    db = openDatabase(path, migrations);
  }
  return {
    vms: vmTable(db),
    images: artifactTable(db, "images"),
    kernels: artifactTable(db, "kernels"),
    journal: sqliteJournal(db),
    setAside,
    durably: (write) => durably(db, write),
    reclaim: () => reclaim(db),
    close: () => db.close(),
  };
}

function openDatabase(path: string, migrations: readonly Migration[]): Database {
  const db = new Database(path, { create: true, strict: true });
  try {
    db.run("PRAGMA busy_timeout = 5000");
    db.run("PRAGMA journal_mode = WAL");
    // See durable.ts: what must survive a power cut says so.
    db.run("PRAGMA synchronous = NORMAL");
    db.run("PRAGMA foreign_keys = ON");
    const check = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
    if (check?.quick_check !== "ok")
      throw new BangerError("corrupt", `${path}: ${check?.quick_check ?? "no answer"}`);
    migrate(db, path, migrations);
    // quick_check passes many a damaged file: parse every row once, here, where there is still a way out.
    vmTable(db).list();
    sqliteJournal(db).open();
    artifactTable(db, "images").list();
    artifactTable(db, "kernels").list();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: Database, path: string, migrations: readonly Migration[]): void {
  db.run(
    "CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
  );
  const applied = new Set(
    db
      .query<{ id: number }, []>("SELECT id FROM schema_migrations")
      .all()
      .map((row) => row.id),
  );
  const newest = Math.max(0, ...migrations.map((migration) => migration.id));
  const theirs = Math.max(0, ...applied);
  if (theirs > newest) {
    throw new BangerError(
      "bad_version",
      `${path} was written by a newer banger (schema ${theirs}; this one knows up to ${newest})`,
      { hint: "run the newer banger, or move the file away to start afresh" },
    );
  }
  for (const migration of [...migrations].sort((a, b) => a.id - b.id)) {
    if (applied.has(migration.id)) continue;
    db.transaction(() => {
      db.run(migration.sql);
      db.query("INSERT INTO schema_migrations (id, name, applied_at) VALUES (?, ?, ?)").run(
        migration.id,
        migration.name,
        new Date().toISOString(),
      );
    }).immediate();
  }
}

/** Damage, as opposed to a full disk, a lock or missing permission, which a new file would not cure. */
function isDamage(error: unknown): boolean {
  if (error instanceof BangerError) return error.code === "corrupt";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT|ERROR|MISMATCH|CONSTRAINT)/.test(code)) return true;
  return error instanceof Error && (error.name === "ZodError" || error instanceof SyntaxError);
}

/** SQLite's words for a full disk or a directory that may not be written, with what to do about it. */
function explainFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/^SQLITE_(FULL|IOERR)/.test(code)) {
    return new BangerError(
      "no_space",
      `the database ${path} cannot be written: the disk is full or failing`,
      {
        hint: `free some space: df -h ${path}`,
        cause: error,
      },
    );
  }
  if (/^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/.test(code)) {
    return new BangerError("denied", `the database ${path} cannot be opened`, {
      hint: `look at its permissions: ls -l ${path}`,
      cause: error,
    });
  }
  return error;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}
