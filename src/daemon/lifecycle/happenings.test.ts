/** Events: remembered within bounds, told to whoever asks, at the reader's own pace. */
import { describe, expect, test } from "bun:test";
import type { Happening } from "../../rpc/rpc.ts";
import { Happenings } from "./happenings.ts";

const silent = { info: () => {} };
const vm = (name: string) => ({ id: `id-${name}`, name });
const names = (told: Happening[]) => told.map(({ kind, subject }) => subject?.name ?? kind);

function reading(
  events: Happenings,
  change: { sinceMs?: number; follow?: boolean; ready?: () => Promise<void> },
) {
  const told: Happening[] = [];
  const leave = new AbortController();
  const over = events.tell({
    ...{ sinceMs: change.sinceMs, follow: change.follow ?? true, signal: leave.signal },
    emit: (happening) => void told.push(happening),
    ready: change.ready ?? (async () => {}),
  });
  return { told, leave: () => leave.abort(), over };
}

describe("what happens", () => {
  test("is told as it does, and what was before only to those who ask", async () => {
    let now = 1_000_000;
    const events = new Happenings(silent, 10, () => now);
    events.add("vm.created", vm("old"));
    now += 60_000;
    events.add("vm.created", vm("recent"));
    const since = reading(events, { sinceMs: 30_000 });
    const fromNow = reading(events, {});
    now += 1;
    events.add("vm.stopped", vm("new"), { reason: "asked" });
    await Bun.sleep(1);
    expect([names(since.told), names(fromNow.told)]).toEqual([["recent", "new"], ["new"]]);
    expect(since.told[1]).toEqual({
      time: new Date(now).toISOString(),
      ...{ kind: "vm.stopped", subject: vm("new"), details: { reason: "asked" } },
    });
    since.leave();
    fromNow.leave();
    await Promise.all([since.over, fromNow.over]);
  });

  test("can be asked for without what comes", async () => {
    const events = new Happenings(silent);
    events.add("vm.created", vm("a"));
    const { told, over } = reading(events, { sinceMs: 1_000, follow: false });
    await over;
    expect(names(told)).toEqual(["a"]);
  });

  test("is dropped for a reader that is slower, who is told how much; nobody else notices", async () => {
    const events = new Happenings(silent, 3);
    let free = Promise.withResolvers<void>();
    const slow = reading(events, { ready: () => free.promise });
    const quick = reading(events, {});
    for (let number = 0; number < 10; number += 1) {
      events.add("vm.created", vm(String(number)));
      await Bun.sleep(0);
    }
    expect(names(slow.told)).toEqual(["0"]);
    expect(quick.told.length).toBe(10);
    free.resolve();
    free = Promise.withResolvers();
    free.resolve();
    await Bun.sleep(1);
    expect(names(slow.told)).toEqual(["0", "events.dropped", "7", "8", "9"]);
    expect(slow.told[1]?.details).toEqual({ count: 6 });
    slow.leave();
    quick.leave();
  });

  test("is cut when it is told at length, and goes into the log", () => {
    const logged: unknown[] = [];
    const events = new Happenings({ info: (message, facts) => void logged.push([message, facts]) });
    events.add("vm.failed", vm("a"), { error: "x".repeat(10_000) });
    expect(logged).toEqual([["vm.failed", { vm: "id-a", name: "a", error: "x".repeat(300) }]]);
  });
});
