/**
 * The schema's history: each migration runs once, in order, in a transaction of its own. Never change one that was
 * released; append.
 */
export interface Migration {
  id: number;
  name: string;
  sql: string;
}

export const migrations: readonly Migration[] = [
  {
    id: 1,
    name: "vms, journal, images, kernels",
    sql: `
      CREATE TABLE vms (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image_id TEXT NOT NULL,
        kernel_id TEXT NOT NULL,
        record TEXT NOT NULL
      ) STRICT;
      CREATE TABLE journal_runs (run TEXT PRIMARY KEY, list TEXT NOT NULL, input TEXT NOT NULL) STRICT;
      CREATE TABLE journal_steps (
        run TEXT NOT NULL REFERENCES journal_runs(run) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        step TEXT NOT NULL,
        output TEXT,
        PRIMARY KEY (run, position)
      ) STRICT;
      CREATE TABLE images (name TEXT PRIMARY KEY, id TEXT NOT NULL, directory TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
      CREATE TABLE kernels (name TEXT PRIMARY KEY, id TEXT NOT NULL, directory TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
    `,
  },
  {
    id: 2,
    name: "how a VM starts",
    sql: `UPDATE vms SET record = json_set(record, '$.warm', json('null'), '$.start', json('null'));`,
  },
  {
    id: 3,
    name: "disks in layers, and what a VM goes on from",
    sql: `UPDATE vms SET record =
      json_set(record, '$.workDisk', json('null'), '$.layers', json('[]'), '$.checkpoint', json('null'));`,
  },
];
