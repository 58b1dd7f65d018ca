import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { newVmId, VmName } from "../base/ids.ts";
import { migrations } from "./migrations.ts";
import { openState, type VmRecord } from "./state.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-state-"));
  path = join(dir, "banger.db");
});
afterEach(() => rmSync(dir, { recursive: true }));

function record(name: string): VmRecord {
  return {
    id: newVmId(),
    name: VmName.parse(name),
    state: "created",
    image: { id: "sha256:1", name: "i" },
    kernel: { id: "sha256:2", name: "k" },
    spec: { vcpu: 1, memoryMiB: 512, diskBytes: 1, overlayBytes: 1, nat: false },
    driver: "qemu",
    ephemeral: false,
    rootDisk: null,
    machine: null,
    address: null,
    machineId: "0".repeat(32),
    workspace: null,
    ...{ warm: null, workDisk: null, layers: [], checkpoint: null },
    start: null,
    lastError: null,
    createdAt: "2026-01-01T00:00:00Z",
    updatedAt: "2026-01-01T00:00:00Z",
    startedAt: null,
  };
}

function thrown(action: () => unknown): BangerError {
  try {
    action();
  } catch (error) {
    if (error instanceof BangerError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("VM rows", () => {
  test("survive closing and opening", () => {
    const first = openState(path);
    const vm = record("calm-otter");
    first.vms.insert(vm);
    first.close();
    const second = openState(path);
    expect(second.vms.get(vm.id)).toEqual(vm);
    second.close();
  });

  test("refuse a taken name and leave the first alone", () => {
    const state = openState(path);
    state.vms.insert(record("a"));
    expect(thrown(() => state.vms.insert(record("a"))).code).toBe("already_exists");
    expect(state.vms.list().length).toBe(1);
    state.close();
  });

  test("update changes what is given, and an unknown VM is not found", () => {
    const state = openState(path);
    const vm = record("a");
    state.vms.insert(vm);
    expect(state.vms.update(vm.id, { state: "error", lastError: "x" }).lastError).toBe("x");
    expect(thrown(() => state.vms.update(newVmId(), {})).code).toBe("not_found");
    state.close();
  });
});

describe("the journal", () => {
  test("remembers intents and outputs of open runs only", () => {
    const state = openState(path);
    state.journal.begin("r1", "vm.start", { id: "x" });
    state.journal.intend("r1", "run_dir");
    state.journal.done("r1", "run_dir", { path: "/x" }, "launch");
    state.journal.begin("r2", "vm.stop", {});
    state.journal.end("r2");
    state.close();
    const again = openState(path);
    expect(again.journal.open()).toEqual([
      {
        run: "r1",
        list: "vm.start",
        input: { id: "x" },
        entries: [
          { step: "run_dir", output: { path: "/x" } },
          { step: "launch", output: undefined },
        ],
      },
    ]);
    again.close();
  });
});

describe("opening", () => {
  test("refuses a schema newer than the program's, with the reason, and leaves the file alone", () => {
    openState(path, [...migrations, { id: 99, name: "future", sql: "CREATE TABLE future (x)" }]).close();
    const error = thrown(() => openState(path));
    expect(error.code).toBe("bad_version");
    expect(error.message).toContain("schema 99");
    expect(readdirSync(dir).filter((name) => name.includes("corrupt"))).toEqual([]);
  });

  test("a log that has grown is given back to a full disk, but for what the next writes take", () => {
    const state = openState(path);
    const image = {
      id: `sha256:${"0".repeat(64)}`,
      directory: "/images/0",
      createdAt: "2026-01-01T00:00:00Z",
    };
    const put = (from: number, to: number) => {
      for (let index = from; index < to; index += 1) state.images.put({ ...image, name: `image-${index}` });
    };
    const logBytes = () => statSync(`${path}-wal`).size;
    put(0, 300);
    const grown = logBytes();
    expect(state.reclaim()).toBe(true);
    const claimed = logBytes();
    expect(claimed).toBeWithin(512 * 1024, grown / 2);
    put(300, 340);
    expect([logBytes(), state.images.list().length]).toEqual([claimed, 340]);
    // Allocated again, not more.
    expect([state.reclaim(), logBytes()]).toEqual([true, claimed]);
    state.close();
    openState(path).close();
  });

  test("a migration that fails rolls back wholly", () => {
    expect(() =>
      openState(path, [{ id: 1, name: "bad", sql: "CREATE TABLE a (x); CREATE TABLE a (x);" }]),
    ).toThrow();
    const db = new Database(path);
    expect(db.query("SELECT name FROM sqlite_master WHERE name = 'a'").all()).toEqual([]);
    db.close();
  });

  test("sets a file aside that is no database, and begins a new one", () => {
    writeFileSync(path, "not a database at all, but long enough to be read as one ".repeat(100));
    const state = openState(path);
    expect(state.setAside).toContain("corrupt");
    expect(state.vms.list()).toEqual([]);
    state.close();
  });

  test("sets a database aside whose rows make no sense", () => {
    openState(path).close();
    const db = new Database(path);
    db.run("INSERT INTO vms VALUES ('x', 'y', 'i', 'k', '{}')");
    db.close();
    const state = openState(path);
    expect(state.setAside).toContain("corrupt");
    state.close();
  });
});
