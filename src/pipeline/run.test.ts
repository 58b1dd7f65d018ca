import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { type Journal, memoryJournal, runSteps, type Step, steps, undoJournalled } from "./pipeline.ts";

interface World {
  effects: string[];
}
const Init = z.strictObject({ id: z.string() });
type Init = z.infer<typeof Init>;

function step(
  name: string,
  options: { fail?: boolean; undoFails?: boolean; onDo?: () => void } = {},
): Step<World, Init, object> {
  return {
    name,
    output: z.looseObject({}),
    do: async (world) => {
      world.effects.push(name);
      options.onDo?.();
      if (options.fail) throw new BangerError("guest_failed", `${name} broke`);
      return { [name]: true };
    },
    undo: async (world) => {
      if (options.undoFails) throw new Error(`cannot undo ${name}`);
      world.effects = world.effects.filter((effect) => effect !== name);
    },
  };
}

function list(...all: Step<World, Init, object>[]) {
  let built = steps<World, Init>("test", "undo", Init);
  for (const one of all) built = built.step(one);
  return built;
}

describe("running a list of steps", () => {
  test("merges what the steps return and leaves the journal empty", async () => {
    const journal = memoryJournal();
    const world: World = { effects: [] };
    const result = await runSteps(list(step("a"), step("b")), world, { id: "x" }, { journal });
    expect(result).toEqual({ id: "x", a: true, b: true } as never);
    expect(world.effects).toEqual(["a", "b"]);
    expect(journal.open()).toEqual([]);
  });

  test("stops at the first failure and undoes the failing step and all before it, in reverse", async () => {
    const journal = memoryJournal();
    const world: World = { effects: [] };
    const undone: string[] = [];
    const run = runSteps(
      list(step("a"), step("b", { fail: true }), step("c")),
      world,
      { id: "x" },
      {
        journal,
        observe: (event) => event.status === "undone" && undone.push(event.step),
      },
    );
    await expect(run).rejects.toThrow("b broke");
    expect(undone).toEqual(["b", "a"]);
    expect(world.effects).toEqual([]);
    expect(journal.open()).toEqual([]);
  });

  test("runs every undo even when one fails, keeps the first failure as the error and the run in the journal", async () => {
    const journal = memoryJournal();
    const world: World = { effects: [] };
    const run = runSteps(
      list(step("a"), step("b", { undoFails: true }), step("c", { fail: true })),
      world,
      { id: "x" },
      { journal },
    );
    const error = await run.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BangerError);
    expect((error as BangerError).code).toBe("guest_failed");
    expect((error as BangerError).details?.undoFailures).toEqual([{ step: "b", message: "cannot undo b" }]);
    expect(world.effects).toEqual(["b"]);
    expect(journal.open().map((open) => open.entries.map((entry) => entry.step))).toEqual([["b"]]);
  });

  test("an observer that throws fails nothing", async () => {
    const world: World = { effects: [] };
    const observe = () => {
      throw new Error("observer");
    };
    await runSteps(list(step("a")), world, { id: "x" }, { journal: memoryJournal(), observe });
    expect(world.effects).toEqual(["a"]);
  });

  test("cancellation is seen between steps and undoes what was done", async () => {
    const abort = new AbortController();
    const world: World = { effects: [] };
    const run = runSteps(
      list(step("a", { onDo: () => abort.abort() }), step("b")),
      world,
      { id: "x" },
      {
        journal: memoryJournal(),
        signal: abort.signal,
      },
    );
    expect(((await run.catch((thrown: unknown) => thrown)) as BangerError).code).toBe("cancelled");
    expect(world.effects).toEqual([]);
  });

  test("a run that cannot be ended in the journal is taken back, so that no later daemon does it", async () => {
    const journal = memoryJournal();
    const world: World = { effects: [] };
    const full = {
      ...journal,
      end: () => {
        full.end = journal.end;
        throw new BangerError("no_space", "the disk is full");
      },
    } as Journal;
    const run = runSteps(list(step("a"), step("b")), world, { id: "x" }, { journal: full });
    await expect(run).rejects.toThrow("the disk is full");
    expect(world.effects).toEqual([]);
    expect(journal.open()).toEqual([]);
  });

  test("a crash at any journal write can be undone from the journal alone", async () => {
    for (let survived = 0; survived <= 4; survived += 1) {
      const journal = memoryJournal();
      const world: World = { effects: [] };
      const all = list(step("a"), step("b"), step("c"));
      const dying = dyingJournal(journal, survived);
      await runSteps(all, world, { id: "x" }, { journal: dying }).catch(() => {});
      for (const open of journal.open()) await undoJournalled(open, all, world, { journal });
      expect(journal.open()).toEqual([]);
      if (survived < 4) expect(world.effects).toEqual([]);
    }
  });
});

/** A journal whose process dies after `survived` writes: nothing is recorded from then on, undo included. */
function dyingJournal(journal: Journal, survived: number): Journal {
  let left = survived;
  const write = (record: () => void) => {
    left -= 1;
    if (left < -1) throw new Error("crashed");
    record();
  };
  return {
    begin: (run, name, input) => journal.begin(run, name, input),
    intend: (run, name) => write(() => journal.intend(run, name)),
    done: (run, name, output, next) => write(() => journal.done(run, name, output, next)),
    undone: () => write(() => {}),
    end: (run) => write(() => journal.end(run)),
    open: () => journal.open(),
  };
}

test("two steps of one name are refused when the list is made", () => {
  expect(() => list(step("a"), step("a"))).toThrow("two steps named a");
});
