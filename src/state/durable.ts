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

/** Frames of a page each, half a MB in all: ten times what a start writes. */
const claimedFrames = 128;

/**
 * True when the write-ahead log, which may have grown to 4 MiB, has been given back (wal_checkpoint(TRUNCATE)), but for so much as
 * the next writes take. That is allocated, and written over from its beginning: on a full disk a guest that runs
 * would take the room before the database could.
 */
export function reclaim(db: Database): boolean {
  try {
    if (checkpoint(db, "TRUNCATE") !== 0) return false;
  } catch {
    // The database itself would have to grow for that.
    return false;
  }
  try {
    claim(db);
  } catch {
    // Somebody has taken it already; what is left may do.
  }
  return true;
}

/** Each setting of the version is a commit of one page. */
function claim(db: Database): void {
  const version = db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  for (let frame = 0; frame < claimedFrames; frame += 1) db.run(`PRAGMA user_version = ${version}`);
  checkpoint(db, "RESTART");
}

/** Not 0 when somebody else reads or writes. */
function checkpoint(db: Database, how: "TRUNCATE" | "RESTART"): number {
  return db.query<{ busy: number }, []>(`PRAGMA wal_checkpoint(${how})`).get()?.busy ?? 1;
}
