/** The journal of steps in SQLite: survives a kill. A power cut ends whatever processes and sockets it speaks of. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import type { Journal } from "../pipeline/pipeline.ts";
import { durably } from "./durable.ts";

const Run = z.strictObject({ run: z.string(), list: z.string(), input: z.string() });
const StepRow = z.strictObject({ step: z.string(), output: z.string().nullable() });

export function sqliteJournal(db: Database): Journal {
  const write = (change: () => void) => db.transaction(change).immediate();
  const intend = (run: string, step: string) =>
    db
      .query(
        "INSERT INTO journal_steps (run, position, step) VALUES (?1, (SELECT count(*) FROM journal_steps WHERE run = ?1), ?2)",
      )
      .run(run, step);
  return {
    begin: (run, list, input) =>
      write(() => {
        db.query("INSERT INTO journal_runs (run, list, input) VALUES (?, ?, ?)").run(
          run,
          list,
          JSON.stringify(input),
        );
      }),
    intend: (run, step) => write(() => void intend(run, step)),
    done: (run, step, output, next) =>
      write(() => {
        db.query("UPDATE journal_steps SET output = ? WHERE run = ? AND step = ?").run(
          JSON.stringify(output),
          run,
          step,
        );
        if (next !== undefined) intend(run, next);
      }),
    undone: (run, step) =>
      write(() => void db.query("DELETE FROM journal_steps WHERE run = ? AND step = ?").run(run, step)),
    end: (run, lasting = false) => {
      const end = () => write(() => void db.query("DELETE FROM journal_runs WHERE run = ?").run(run));
      return lasting ? durably(db, end) : end();
    },
    open: () =>
      db
        .query("SELECT run, list, input FROM journal_runs ORDER BY rowid")
        .all()
        .map((row) => Run.parse(row))
        .map(({ run, list, input }) => ({
          run,
          list,
          input: JSON.parse(input),
          entries: db
            .query("SELECT step, output FROM journal_steps WHERE run = ? ORDER BY position")
            .all(run)
            .map((row) => StepRow.parse(row))
            .map(({ step, output }) => ({ step, output: output === null ? undefined : JSON.parse(output) })),
        })),
  };
}
