/** Forks, snapshots and suspended VMs of a driver whose disks are copied and whose connections end, in a world without a VMM. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { copying } from "../../../tests/fakes/machines.ts";
import { BangerError } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import type { VmRecord } from "../../state/state.ts";
import { LiveRoom } from "../testing/live-room.ts";
import { vmFiles } from "../vm.ts";

let room: LiveRoom;
beforeEach(() => {
  room = new LiveRoom({}, copying);
});
afterEach(() => room.close());

const filesOf = (vm: Pick<VmRecord, "id">) => {
  const { dir, workDisk } = vmFiles(room.deps.paths, vm.id);
  return { root: join(dir, "root.cow"), work: workDisk };
};
/** As the guest writes: into the disks that it has open. */
function write(vm: Pick<VmRecord, "id">, text: string): void {
  for (const path of Object.values(filesOf(vm))) writeSync(openSync(path, "r+"), text, 4096);
}
const written = (vm: Pick<VmRecord, "id">) =>
  Object.values(filesOf(vm)).map((path) => readFileSync(path).toString("latin1", 4096, 4101));

describe("a fork, by copies,", () => {
  const fork = (id: VmRecord["id"], count = 1) =>
    room.service.live.fork(id, { name: VmName.parse("b"), count }, room.options());

  test("has the disks of the moment of the halt; the original keeps its own, and nobody stands on anything", async () => {
    const source = await room.start("a");
    write(source, "first");
    room.world.whenHalted = () => {
      expect(room.world.paused()).toEqual([source.id]);
      write(source, "later");
    };
    const { vms } = await fork(source.id, 2);
    for (const made of vms) {
      expect(made).toMatchObject({ state: "running", start: { how: "resumed", from: "fork of a" } });
      expect(made).toMatchObject({ workDisk: null, layers: [], checkpoint: null });
      expect(made.rootDisk).toEqual({ path: filesOf(made).root, format: "raw", strategy: "snapshot" });
      expect(written(made)).toEqual(["first", "first"]);
    }
    expect(written(source)).toEqual(["later", "later"]);
    const now = room.service.find("a");
    expect(now).toMatchObject({ state: "running", layers: [], rootDisk: source.rootDisk, workDisk: null });
    expect(room.checkpoints()).toEqual([]);
    // All that the guest had written before the halt, and what it wrote up to it.
    expect(room.world.flushed).toBe(2);
    // Each at an address of its own, on disks that are left as their memory knows them.
    expect(new Set([now, ...vms].map(({ address }) => address)).size).toBe(3);
    expect(room.world.attached.map(({ goesOn }) => goesOn)).toEqual([false, true, true]);
    const { disk } = await room.service.live.cost(now);
    expect([disk.ownBytes > 0, disk.sharedBytes]).toEqual([true, 0]);
    expect(room.state.journal.open()).toEqual([]);
  });

  test("has another session with the original afterwards, and says what was open in the one before", async () => {
    const { id } = await room.start("a");
    const before = await room.session("a");
    await fork(id);
    expect(room.warned).toEqual([]);
    const after = await room.session("a");
    expect(after).not.toBe(before);
    await after.setClock();
    expect(room.world.clocksSet).toBe(2);
    expect((await before.closed).reason).toContain("VM a was saved, and with fake that ends");
    room.world.openStreams = 2;
    room.deps.runtimes.hangUp(id);
    await room.session("a");
    await room.service.live.snapshot(id, undefined, room.options());
    expect(room.warned).toEqual([expect.stringContaining("2 commands or connections")]);
  });

  test("that finds no room leaves the original running, with a session, and nothing else", async () => {
    const source = await room.start("a");
    room.world.whenHalted = () => {
      throw new BangerError("no_space", "the disk is full");
    };
    await expect(fork(source.id)).rejects.toMatchObject({ code: "no_space" });
    expect([room.world.paused(), room.checkpoints(), room.service.list().length]).toEqual([[], [], 1]);
    expect(room.service.find("a")).toMatchObject({ state: "running", rootDisk: source.rootDisk });
    await (await room.session("a")).setClock();
    expect(room.state.journal.open()).toEqual([]);
  });

  test("is refused where its disks could leave too little room", async () => {
    const source = await room.start("a");
    const sparse = openSync(filesOf(source).work, "r+");
    writeSync(sparse, Buffer.alloc(1 << 20, 1), 0, 1 << 20, 0);
    // So often they would not fit on any disk.
    const request = { name: undefined, count: 1e9 };
    await expect(room.service.live.fork(source.id, request, room.options())).rejects.toMatchObject({
      code: "no_space",
      message: expect.stringContaining("too little disk space"),
    });
    expect([room.service.find("a").state, room.checkpoints()]).toEqual(["running", []]);
  });

  test("can get a larger work disk, as the original can", async () => {
    const { id } = await room.start("a");
    const { vms } = await fork(id);
    for (const vm of [id, ...vms.map((each) => each.id)]) {
      await room.service.stop(vm, room.options());
      const { spec } = await room.service.set(vm, { diskBytes: 128 << 20 }, room.options());
      expect(spec.diskBytes).toBe(128 << 20);
    }
  });
});

describe("a snapshot, by copies,", () => {
  test("is gone back to as often as one likes, and is nobody's disk", async () => {
    const vm = await room.start("a");
    write(vm, "first");
    const { id: checkpoint } = await room.service.live.snapshot(vm.id, "s", room.options());
    const kept = join(room.dir, "checkpoints", checkpoint);
    expect(readdirSync(kept).sort()).toEqual(["manifest.json", "memory", "root.cow", "state", "work.ext4"]);
    for (const text of ["later", "again"]) {
      write(vm, text);
      await room.service.live.restore(vm.id, "s", room.options());
      expect(written(vm)).toEqual(["first", "first"]);
      expect(room.service.find("a")).toMatchObject({ state: "running", start: { from: "snapshot s" } });
      expect(room.checkpoints()).toEqual([checkpoint]);
    }
    expect(room.world.attached.at(-1)?.goesOn).toBe(true);
    await room.service.live.removeSnapshot(vm.id, "s");
    expect(room.checkpoints()).toEqual([]);
    expect(room.service.find("a").state).toBe("running");
  });

  test("that cannot be copied once more ends nothing: the VM runs on", async () => {
    const vm = await room.start("a");
    const { id: checkpoint } = await room.service.live.snapshot(vm.id, "s", room.options());
    write(vm, "later");
    const take = room.deps.checkpoints.take;
    // Between the look at its bytes and the copy.
    room.deps.checkpoints.take = async (id, how) => {
      const found = await take(id, how);
      rmSync(join(room.dir, "checkpoints", checkpoint, "work.ext4"));
      return found;
    };
    await expect(room.service.live.restore(vm.id, "s", room.options())).rejects.toThrow();
    expect(room.service.find("a")).toMatchObject({ state: "running", machine: vm.machine });
    expect([written(vm), room.checkpoints()]).toEqual([["later", "later"], [checkpoint]]);
    expect(room.state.journal.open()).toEqual([]);
  });

  test("whose disk was changed is not gone back to", async () => {
    const vm = await room.start("a");
    const { id: checkpoint } = await room.service.live.snapshot(vm.id, "s", room.options());
    writeFileSync(join(room.dir, "checkpoints", checkpoint, "root.cow"), "x");
    await expect(room.service.live.restore(vm.id, "s", room.options())).rejects.toThrow(
      "root.cow has changed",
    );
    expect(room.service.find("a")).toMatchObject({ state: "running", machine: vm.machine });
  });
});

describe("a suspended VM, by copies,", () => {
  test("has its disks on the host's disk before its machine ends, and goes on with them as they are", async () => {
    const { id } = await room.start("a");
    expect((await room.service.live.suspend(id, room.options())).state).toBe("suspended");
    expect([room.world.flushed, room.world.dump()]).toEqual([1, ""]);
    const started = await room.service.start(id, room.options());
    expect(started).toMatchObject({ state: "running", start: { how: "resumed", from: "suspend" } });
    expect(room.world.attached.at(-1)?.goesOn).toBe(true);
    expect(room.checkpoints()).toEqual([]);
  });

  test("that cannot be saved runs on, with a session", async () => {
    const { id } = await room.start("a");
    room.world.whenHalted = () => {
      throw new BangerError("no_space", "the disk is full");
    };
    await expect(room.service.live.suspend(id, room.options())).rejects.toMatchObject({ code: "no_space" });
    expect([room.service.find("a").state, room.world.paused()]).toEqual(["running", []]);
    await (await room.session("a")).setClock();
  });

  test("whose memory is given up is checked before it boots", async () => {
    const { id } = await room.start("a");
    await room.service.live.suspend(id, room.options());
    await room.service.stop(id, room.options());
    await room.service.start(id, room.options());
    expect(room.world.attached.at(-1)?.goesOn).toBe(false);
  });
});
