/** Over a database that a daemon has made, while one has it open and after. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { userPaths } from "../config/paths.ts";
import { fitnessOf, openState } from "../state/state.ts";
import { runStateTask, stateTask } from "./state-words.ts";

let dir: string;
let database: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-words-"));
  database = join(dir, "banger/banger.db");
});
afterEach(() => rmSync(dir, { recursive: true }));

function run(...words: string[]): Promise<number> {
  const paths = userPaths({ HOME: dir, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir });
  const task = stateTask(words);
  if (task === undefined) throw new Error(`${words} is no task`);
  return runStateTask(task, { mode: "user", reason: "", paths });
}

async function made(): Promise<void> {
  await Bun.write(join(dir, "banger/.here"), "");
  openState(database).close();
}

/** As a newer banger would leave it. */
function migrated(): void {
  const db = new Database(database);
  db.run("INSERT INTO schema_migrations VALUES (99, 'later', '2030-01-01')");
  db.run("CREATE TABLE later (x)");
  db.close();
}

test("other words are for a daemon", () => {
  expect(stateTask(["--system"])).toBeUndefined();
  expect(stateTask([])).toBeUndefined();
});

test("a database is checked without being changed, also while a daemon has it open", async () => {
  expect(await run("--check-migrations")).toBe(0);
  await made();
  const open = openState(database);
  expect(await run("--check-migrations", "--system")).toBe(0);
  open.close();
  expect(await run("--check-migrations")).toBe(0);
  const db = new Database(database);
  db.run("DELETE FROM schema_migrations WHERE id = 3");
  db.close();
  expect(await run("--check-migrations")).toBe(1);
  migrated();
  expect(await run("--check-migrations")).toBe(2);
});

test("what is no database is not read, and that is said", async () => {
  await Bun.write(database, "x".repeat(5000));
  expect(await run("--check-migrations")).toBe(2);
});

test("what was kept comes back after a newer banger has changed it, once", async () => {
  await made();
  expect(await run("--keep-state")).toBe(0);
  migrated();
  expect(fitnessOf(database)).toBe("newer");
  expect(await run("--put-back-state")).toBe(0);
  expect(fitnessOf(database)).toBe("compatible");
  openState(database).close();
  expect(await run("--put-back-state")).toBe(0);
  expect(existsSync(database)).toBe(true);
});

test("a copy is of what is in the log, too, and goes when it is given up", async () => {
  await made();
  const db = new Database(database);
  db.run("CREATE TABLE fresh (x)");
  expect(await run("--keep-state")).toBe(0);
  db.close();
  const copy = new Database(`${database}.before-update`, { readonly: true });
  expect(copy.query("SELECT count(*) AS n FROM fresh").get()).toEqual({ n: 0 });
  copy.close();
  await run("--drop-kept-state");
  expect(readdirSync(join(dir, "banger")).filter((name) => name.includes("before"))).toEqual([]);
});
