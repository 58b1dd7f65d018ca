/** What those hear who follow what happens to VMs. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { LiveRoom } from "./testing/live-room.ts";

let room: LiveRoom;
let told: string[];

beforeEach(() => {
  told = [];
  room = new LiveRoom({
    happened: (kind, { name }, details = {}) => {
      const words = Object.entries(details).map(([key, value]) => `${key}=${value}`);
      told.push([kind, name, ...words].join(" "));
    },
  });
});
afterEach(() => room.close());

const heard = () => told.splice(0);

test("the life of a VM is told, each step of it once", async () => {
  const { id } = await room.start("a");
  expect(heard()).toEqual(["vm.created a image=image", "vm.started a how=cold"]);
  await room.service.live.pause(id, room.options());
  await room.service.live.resume(id, room.options());
  expect(heard()).toEqual(["vm.paused a", "vm.resumed a"]);
  await room.service.live.snapshot(id, "before", room.options());
  expect(heard()).toEqual(["snapshot.created a snapshot=before"]);
  await room.service.live.restore(id, "before", room.options());
  expect(heard()).toEqual(["vm.restored a snapshot=before", "vm.started a how=resumed"]);
  await room.service.live.fork(id, { name: undefined, count: 1 }, room.options());
  const fork = room.service.list().find((vm) => vm.name !== "a");
  expect(heard()).toEqual([
    `vm.created ${fork?.name} image=image from=fork of a`,
    `vm.started ${fork?.name} how=resumed`,
  ]);
  await room.service.live.suspend(id, room.options());
  await room.service.start(id, room.options());
  expect(heard()).toEqual(["vm.suspended a reason=asked", "vm.started a how=resumed"]);
  await room.service.stop(id, room.options());
  await room.service.delete(id, room.options());
  expect(heard()).toEqual(["vm.stopped a reason=asked", "vm.deleted a reason=asked"]);
});

test("a VM is not told to have failed because another could not have its name", async () => {
  await room.start("a");
  heard();
  await expect(room.start("a")).rejects.toThrow("exists");
  expect(heard()).toEqual([]);
});

test("a machine that ends by itself is told with the reason", async () => {
  const { id } = await room.start("a");
  heard();
  room.world.crash(id);
  for (const until = Date.now() + 2_000; told.length === 0 && Date.now() < until; ) await Bun.sleep(5);
  expect(heard()).toEqual([
    "vm.stopped a reason=the machine ended by itself (powered off in the guest, or its VMM died)",
  ]);
});

test("a start that fails is told once, with the error; one that is refused is no news", async () => {
  const { id } = await room.start("a");
  await room.service.stop(id, room.options());
  heard();
  room.world.refusesStart = true;
  await expect(room.service.start(id, room.options())).rejects.toThrow();
  expect(heard()).toEqual(["vm.failed a doing=vm.start error=the machine does not start"]);
  await expect(room.service.stop(id, room.options())).rejects.toThrow();
  expect(heard()).toEqual([]);
});
