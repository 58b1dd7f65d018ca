/**
 * How far a write has gone when it returns.
 *
 * In WAL mode with synchronous=NORMAL a commit is in the page cache: a killed process loses none, and it costs no fsync
 * (5 ms on a slow disk). A power cut may lose the last of them, in order, and never damages the database. That is enough
 * for what a power cut ends anyway: processes, machines, runs of steps, VMs that live as long as a connection.
 */
import type { Database } from "bun:sqlite";

/** Runs a write that must outlive a power cut; with it, everything that was written before. */
export function durably<T>(db: Database, write: () => T): T {
  db.run("PRAGMA synchronous = FULL");
  try {
    return write();
  } finally {
    db.run("PRAGMA synchronous = NORMAL");
  }
}

/** True when the write-ahead log is empty now (wal_checkpoint(TRUNCATE)): it may have grown to 4 MiB. */
export function reclaim(db: Database): boolean {
  try {
    return db.query<{ busy: number }, []>("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
  } catch {
    // The database itself would have to grow for that.
    return false;
  }
}
