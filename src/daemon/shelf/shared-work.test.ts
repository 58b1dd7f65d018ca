import { expect, test } from "bun:test";
import type { LifecycleEvent } from "../../rpc/rpc.ts";
import { SharedWork } from "./shared-work.ts";

function caller() {
  const events: LifecycleEvent[] = [];
  const abort = new AbortController();
  return {
    events,
    abort,
    ctx: { signal: abort.signal, emit: (event: LifecycleEvent) => events.push(event) },
  };
}

/** Work that is done when told to, and says whether it was given up. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { runs: 0, resolve, stop: undefined as unknown };
  const run = async (ctx: { signal: AbortSignal; emit(event: LifecycleEvent): void }) => {
    state.runs += 1;
    ctx.emit({ kind: "stage", stage: "image", status: "begin" });
    ctx.signal.addEventListener("abort", () => {
      state.stop = ctx.signal.reason;
      reject(new Error("given up"));
    });
    return promise;
  };
  return { state, run };
}

const begun: LifecycleEvent = { kind: "stage", stage: "image", status: "begin" };

test("two callers share one run, and both hear of its stage", async () => {
  const shared = new SharedWork();
  const { state, run } = work();
  const [one, two] = [caller(), caller()];
  const first = shared.run("image x", one.ctx, run);
  await Promise.resolve();
  const second = shared.run("image x", two.ctx, run);
  await Promise.resolve();
  state.resolve("made");
  expect(await Promise.all([first, second])).toEqual(["made", "made"]);
  expect([state.runs, one.events, two.events]).toEqual([1, [begun], [begun]]);
});

test("the work goes on for the second when the first gives up, and ends with the last", async () => {
  const shared = new SharedWork();
  const { state, run } = work();
  const [one, two] = [caller(), caller()];
  const first = shared.run("image x", one.ctx, run);
  const second = shared.run("image x", two.ctx, run);
  await Promise.resolve();
  one.abort.abort("first");
  expect(first).rejects.toThrow("cancelled");
  expect(state.stop).toBeUndefined();
  two.abort.abort("second");
  expect(second).rejects.toThrow("given up");
  await second.catch(() => {});
  expect(state.stop).toBe("second");
});

test("a run that failed is no answer to the next caller", async () => {
  const shared = new SharedWork();
  await shared.run("k", caller().ctx, () => Promise.reject(new Error("no"))).catch(() => {});
  expect(await shared.run("k", caller().ctx, () => Promise.resolve("yes"))).toBe("yes");
});
