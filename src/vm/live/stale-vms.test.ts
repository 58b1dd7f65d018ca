/** VMs that nobody touches are stopped, by a clock of the tests' own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, utimesSync } from "node:fs";
import type { VmRecord } from "../../state/state.ts";
import { vmFiles } from "../layout.ts";
import { Daemons, make, options } from "../testing/daemons.ts";
import { reconcile, type VmDeps, type VmService } from "../vm.ts";
import { isStale, StaleVms } from "./stale-vms.ts";

const afterMs = 7_200_000;

let room: Daemons;
let deps: VmDeps;
let service: VmService;
let vm: VmRecord;
const happened: unknown[] = [];
const closed: VmService[] = [];

function daemon(): void {
  const made = room.daemon({
    stopAfterMs: afterMs,
    happened: (kind, { name }, details) => void happened.push([kind, name, details]),
  });
  deps = made.deps;
  service = made.service;
  closed.push(service);
}

beforeEach(async () => {
  happened.length = 0;
  room = new Daemons();
  daemon();
  const { id } = await make(service, deps, "a");
  vm = await service.start(id, options());
});
afterEach(async () => {
  for (const each of closed.splice(0)) await each.close();
  room.close();
});

const state = () => service.find("a").state;
const later = (ms: number) => service.staleVms.check(Date.now() + ms);

test("only a VM that runs, without a connection for its life, and that nobody uses, is stale", () => {
  const now = 10_000_000;
  const clock = { now, afterMs };
  const long = { open: false, last: now - afterMs };
  const running = { state: "running", ephemeral: false } as const;
  expect(isStale(running, long, clock)).toBe(true);
  expect(isStale(running, { ...long, last: long.last + 1 }, clock)).toBe(false);
  expect(isStale(running, { ...long, last: now + 1 }, clock)).toBe(false);
  expect(isStale(running, { ...long, open: true }, clock)).toBe(false);
  expect(isStale({ ...running, ephemeral: true }, long, clock)).toBe(false);
  for (const other of ["created", "starting", "paused", "suspended", "stopping", "stopped", "error"] as const)
    expect(isStale({ ...running, state: other }, long, clock)).toBe(false);
});

describe("a VM that nobody touches", () => {
  test("is stopped in order after the time that is set, not before, and says why", async () => {
    await later(afterMs - 10_000);
    expect(state()).toBe("running");
    await later(afterMs + 10_000);
    expect(state()).toBe("stopped");
    expect(room.world.dump()).toBe("");
    const why = "nobody had used it for 2h (auto_stop_stale_after)";
    expect(service.find("a").lastError).toBe(why);
    expect(happened.at(-1)).toEqual(["vm.stopped", "a", { reason: why }]);
  });

  test("is not one that is in use, or has been since", async () => {
    const over = service.idleVms.begin(vm.id);
    const second = service.idleVms.begin(vm.id);
    over();
    over();
    await later(2 * afterMs);
    expect(state()).toBe("running");
    second();
    await later(afterMs - 10_000);
    expect(state()).toBe("running");
    await service.reach("a", options());
    await later(afterMs + 10_000);
    expect(state()).toBe("stopped");
  });

  test("is one also whose guest works: nobody knows for whom", async () => {
    room.world.load = 4;
    await later(afterMs + 10_000);
    expect(state()).toBe("stopped");
  });

  test("is not one with which somebody of this host is connected past banger", async () => {
    const peers = new Set([vm.address ?? ""]);
    const stale = new StaleVms(deps, service.touches, stopping(), async () => peers, afterMs);
    await stale.check(Date.now() + afterMs + 1);
    peers.clear();
    expect([ended, state()]).toEqual([0, "running"]);
    await stale.check(Date.now() + afterMs + 1);
    expect(ended).toBe(1);
    stale.close();
  });

  test("is not one for which somebody comes while another has its turn", async () => {
    const unlock = await deps.runtimes.lock(vm.id);
    const checking = later(afterMs + 10_000);
    utimesSync(vmFiles(deps.paths, vm.id).touched, new Date(), new Date(Date.now() + 20_000));
    unlock();
    await checking;
    expect(state()).toBe("running");
  });

  test("is known to the next daemon, too", async () => {
    const past = new Date(Date.now() - afterMs - 1);
    utimesSync(vmFiles(deps.paths, vm.id).touched, past, past);
    daemon();
    await reconcile(deps, service);
    expect(state()).toBe("running");
    await later(0);
    expect(state()).toBe("stopped");
  });

  test("begins to count when nobody knows since when", async () => {
    rmSync(vmFiles(deps.paths, vm.id).touched);
    await later(afterMs + 10_000);
    expect(state()).toBe("running");
    await later(afterMs + 20_000);
    expect(state()).toBe("stopped");
  });
});

let ended = 0;
function stopping(): ConstructorParameters<typeof StaleVms>[2] {
  ended = 0;
  return {
    locked: async (_id, body) => body(vm, []),
    end: async () => {
      ended += 1;
    },
  };
}
