/** Pausing VMs, in a world of machines without a VMM. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { LiveRoom } from "../testing/live-room.ts";
import { reconcile } from "../vm.ts";

let room: LiveRoom;
beforeEach(() => {
  room = new LiveRoom();
});
afterEach(() => room.close());

describe("a paused VM", () => {
  test("stands still, says what to do, and goes on with the right time", async () => {
    const { id } = await room.start("a");
    expect((await room.service.live.pause(id, room.options())).state).toBe("paused");
    expect(room.world.paused()).toEqual([id]);
    await expect(room.session("a")).rejects.toMatchObject({
      ...{ code: "precondition", message: "VM a is paused", hint: "let it go on: banger vm resume a" },
    });
    await expect(room.service.live.pause(id, room.options())).rejects.toThrow("VM a is paused");
    await expect(room.service.start(id, room.options())).rejects.toThrow("VM a is paused");
    expect((await room.service.live.resume(id, room.options())).state).toBe("running");
    expect([room.world.paused(), room.world.clocksSet]).toEqual([[], 1]);
    await room.session("a");
    expect(room.warned).toEqual([]);
  });

  test("can be stopped, killed, restarted and deleted", async () => {
    const { id } = await room.start("a");
    await room.service.live.pause(id, room.options());
    expect((await room.service.stop(id, room.options())).state).toBe("stopped");
    await room.service.start(id, room.options());
    await room.service.live.pause(id, room.options());
    expect((await room.service.restart(id, room.options())).state).toBe("running");
    await room.service.live.pause(id, room.options());
    expect((await room.service.kill(id, 9, room.options())).state).toBe("stopped");
    await room.service.start(id, room.options());
    await room.service.live.pause(id, room.options());
    await room.service.delete(id, room.options());
    expect(room.world.dump()).toBe("");
  });

  test("is found paused by the next daemon, and goes on under it", async () => {
    const { id } = await room.start("a");
    await room.service.live.pause(id, room.options());
    room.restart();
    await reconcile(room.deps, room.service);
    expect(room.service.find("a").state).toBe("paused");
    expect(room.world.paused()).toEqual([id]);
    await room.service.live.resume(id, room.options());
    await room.session("a");
    expect(room.world.clocksSet).toBe(1);
  });

  test("whose machine dies is stopped, with the reason", async () => {
    const { id } = await room.start("a");
    await room.service.live.pause(id, room.options());
    room.world.crash(id);
    for (let turn = 0; turn < 200 && room.service.find("a").state !== "stopped"; turn += 1)
      await Bun.sleep(1);
    expect(room.service.find("a").lastError).toContain("ended by itself");
  });

  test("must run before, and have a driver that can", async () => {
    const { id } = await room.start("a");
    await expect(room.service.live.resume(id, room.options())).rejects.toThrow("VM a is running");
    await room.service.stop(id, room.options());
    await expect(room.service.live.pause(id, room.options())).rejects.toMatchObject({
      hint: "start it: banger vm start a",
    });
    const { pause: _pause, ...plain } = room.world.driver();
    room.deps.driver = plain;
    await expect(room.service.live.pause(id, room.options())).rejects.toThrow("cannot be paused yet");
  });
});
