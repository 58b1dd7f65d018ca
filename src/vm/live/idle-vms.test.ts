/** VMs that sleep because nobody uses them, and who wakes them. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { VmRecord } from "../../state/state.ts";
import { Daemons, make, options } from "../testing/daemons.ts";
import type { VmService } from "../vm.ts";

const afterMs = 3_600_000;

let room: Daemons;
let service: VmService;
let vm: VmRecord;

beforeEach(async () => {
  room = new Daemons();
  const { deps, service: made } = room.daemon({ suspendAfterMs: afterMs });
  service = made;
  const { id } = await make(service, deps, "a");
  vm = await service.start(id, options());
  await service.idleVms.check();
});
afterEach(async () => {
  await service.close();
  room.close();
});

const state = () => service.find("a").state;
const later = (ms: number) => service.idleVms.check(Date.now() + ms);

describe("a VM that nobody uses", () => {
  test("is suspended after the time that is set, not before", async () => {
    await later(afterMs - 10_000);
    expect(state()).toBe("running");
    await later(afterMs + 10_000);
    expect(state()).toBe("suspended");
    expect(room.world.dump()).toBe("");
  });

  test("is let go on, once, by those who come for it", async () => {
    await later(afterMs + 1);
    const came = await Promise.all([1, 2, 3].map(() => service.reach("a", options())));
    expect(came.map((each) => each.state)).toEqual(Array(3).fill("running"));
    expect(came[0]?.start).toEqual({ how: "resumed", from: "idle" });
    expect(room.world.started.length).toBe(2);
  });

  test("is not one that somebody uses, or has used since", async () => {
    const over = service.idleVms.begin(vm.id);
    await later(2 * afterMs);
    expect(state()).toBe("running");
    over();
    over();
    await later(afterMs - 10_000);
    expect(state()).toBe("running");
    await later(afterMs + 10_000);
    expect(state()).toBe("suspended");
  });

  test("is not one whose guest is at work", async () => {
    room.world.load = 1;
    await later(afterMs + 1);
    expect(state()).toBe("running");
    room.world.load = 0;
    await later(1.5 * afterMs);
    expect(state()).toBe("running");
    await later(2.5 * afterMs);
    expect(state()).toBe("suspended");
  });

  test("goes on running when it cannot be suspended, and is tried again later", async () => {
    room.world.refusesCheckpoint = true;
    await later(afterMs + 1);
    expect(state()).toBe("running");
    room.world.refusesCheckpoint = false;
    await later(1.5 * afterMs);
    expect(state()).toBe("running");
    await later(2.5 * afterMs);
    expect(state()).toBe("suspended");
  });

  test("that a person has suspended is not let go on by who comes", async () => {
    await service.live.suspend(vm.id, options());
    expect((await service.reach("a", options())).state).toBe("suspended");
  });
});
