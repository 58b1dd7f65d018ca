/** Forks, in a world of machines without a VMM. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import type { VmRecord } from "../../state/state.ts";
import { LiveRoom } from "../testing/live-room.ts";
import { reconcile, vmFiles } from "../vm.ts";

let room: LiveRoom;
beforeEach(() => {
  room = new LiveRoom();
});
afterEach(() => room.close());

const namesOf = (vms: readonly VmRecord[]) => vms.map(({ name }) => name as string);

describe("a fork", () => {
  test("goes on from the memory of the original, in layers over its disks, as another machine", async () => {
    const source = await room.start("a");
    const { vms } = await room.service.live.fork(
      source.id,
      { name: VmName.parse("b"), count: 2 },
      room.options(),
    );
    expect(namesOf(vms)).toEqual(["b-1", "b-2"]);
    const [checkpoint = ""] = room.checkpoints();
    const now = room.service.find("a");
    expect(now).toMatchObject({ state: "running", machine: source.machine, layers: [checkpoint] });
    const root = join(vmFiles(room.deps.paths, source.id).dir, `root-${checkpoint.slice(0, 8)}.qcow2`);
    expect(now.rootDisk).toEqual({ path: root, format: "qcow2", strategy: "overlay" });
    for (const fork of vms) {
      expect(fork).toMatchObject({ state: "running", start: { how: "resumed", from: "fork of a" } });
      expect(fork).toMatchObject({ layers: [checkpoint], checkpoint: null, ephemeral: false });
      const { disks, restore, memory } = room.world.started.find(({ id }) => id === fork.id) ?? {};
      expect([restore?.halted, memory?.use]).toEqual([true, "map"]);
      const { dir: own } = vmFiles(room.deps.paths, fork.id);
      expect([fork.rootDisk?.path, disks?.[1]?.path]).toEqual([
        join(own, "root.qcow2"),
        join(own, "work.qcow2"),
      ]);
    }
    expect(new Set([source, ...vms].map(({ machineId }) => machineId)).size).toBe(3);
    // The memory is mapped by those who need it; the disks are everybody's.
    expect(readdirSync(join(room.dir, "checkpoints", checkpoint)).sort()).toEqual([
      "root.qcow2",
      "work.ext4",
    ]);
    const { disk } = await room.service.live.cost(vms[0] ?? source);
    expect(disk.ownBytes).toBeGreaterThan(0);
    expect(disk.sharedBytes).toBeGreaterThan(0);
    expect(room.warned).toEqual([]);
    expect(room.state.journal.open()).toEqual([]);
  });

  test("outlives the original, and what it stands on goes with the last of them", async () => {
    const source = await room.start("a");
    const [child] = (await room.service.live.fork(source.id, { name: undefined, count: 1 }, room.options()))
      .vms;
    const [grandchild] = (
      await room.service.live.fork(child?.id ?? source.id, { name: undefined, count: 1 }, room.options())
    ).vms;
    await room.service.delete(source.id, room.options());
    await room.service.delete(child?.id ?? source.id, room.options());
    expect(grandchild?.layers.length).toBe(2);
    expect(room.checkpoints().sort()).toEqual([...(grandchild?.layers ?? [])].sort());
    await room.service.stop(grandchild?.id ?? source.id, room.options());
    expect((await room.service.start(grandchild?.id ?? source.id, room.options())).start).toEqual({
      how: "cold",
      why: "again",
    });
    await room.service.delete(grandchild?.id ?? source.id, room.options());
    expect(room.checkpoints()).toEqual([]);
  });

  test("that cannot be made leaves the original running, and no other", async () => {
    const source = await room.start("a");
    room.world.refusesCheckpoint = true;
    await expect(
      room.service.live.fork(source.id, { name: undefined, count: 2 }, room.options()),
    ).rejects.toThrow("could not save");
    room.world.refusesCheckpoint = false;
    room.world.refusesRestore = true;
    await expect(
      room.service.live.fork(source.id, { name: undefined, count: 2 }, room.options()),
    ).rejects.toThrow("the saved state cannot be restored");
    expect(namesOf(room.service.list())).toEqual(["a"]);
    expect(room.world.dump().split("\n").length).toBe(3);
    const { rootDisk, layers } = room.service.find("a");
    // It may have gone on in the layers already: they say so, and are there.
    expect(existsSync(rootDisk?.path ?? "")).toBe(true);
    expect(room.checkpoints().sort()).toEqual([...layers].sort());
    expect(room.state.journal.open()).toEqual([]);
  });

  test("is refused for names that are taken, VMs that do not run, and drivers that cannot", async () => {
    const source = await room.start("a");
    const named = { name: VmName.parse("a"), count: 1 };
    await expect(room.service.live.fork(source.id, named, room.options())).rejects.toMatchObject({
      code: "already_exists",
    });
    const { checkpoint: _checkpoint, ...plain } = room.world.driver();
    room.deps.driver = plain;
    const one = { name: undefined, count: 1 };
    await expect(room.service.live.fork(source.id, one, room.options())).rejects.toThrow(
      "VMs that run on fake cannot be forked yet",
    );
    room.deps.driver = room.world.driver();
    await room.service.stop(source.id, room.options());
    const failure = await room.service.live
      .fork(source.id, one, room.options())
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BangerError);
    expect(failure).toMatchObject({
      code: "precondition",
      message: "VM a is stopped: only one that runs can be forked",
    });
    expect(room.service.find("a").layers).toEqual([]);
    expect(room.checkpoints()).toEqual([]);
  });

  test("has a name that is one with its number behind it", async () => {
    const source = await room.start("a");
    const request = { name: VmName.parse("b".repeat(62)), count: 2 };
    await expect(room.service.live.fork(source.id, request, room.options())).rejects.toMatchObject({
      code: "bad_request",
      message: expect.stringContaining("at most 63 characters, this one has 64"),
      hint: "give a shorter --name: the forks' numbers come behind it",
    });
    expect(room.checkpoints()).toEqual([]);
  });

  test("that is cancelled while forks start leaves none of them", async () => {
    const source = await room.start("a");
    const abort = new AbortController();
    const open = room.deps.openSession;
    room.deps.openSession = (stream, signal) => {
      abort.abort();
      return open(stream, signal);
    };
    const request = { name: undefined, count: 2 };
    await expect(room.service.live.fork(source.id, request, { signal: abort.signal })).rejects.toThrow(
      "cancelled",
    );
    expect(room.service.list().map(({ name, state }) => `${name} ${state}`)).toEqual(["a running"]);
  });

  test("keeps what it stands on while a VM's directory is set aside, which may stand on it too", async () => {
    const source = await room.start("a");
    await room.service.live.fork(source.id, { name: VmName.parse("b"), count: 1 }, room.options());
    mkdirSync(join(room.dir, "vms", "somebody.lost"));
    for (const name of ["a", "b"]) await room.service.delete(room.service.find(name).id, room.options());
    expect(room.checkpoints().length).toBe(1);
    rmSync(join(room.dir, "vms", "somebody.lost"), { recursive: true });
    await reconcile(room.deps, room.service);
    expect(room.checkpoints()).toEqual([]);
  });

  test("keeps the disks' size: a layer over common ground does not grow", async () => {
    const source = await room.start("a");
    await room.service.live.fork(source.id, { name: undefined, count: 1 }, room.options());
    await room.service.stop(source.id, room.options());
    await expect(room.service.set(source.id, { diskBytes: 128 << 20 }, room.options())).rejects.toThrow(
      "cannot grow",
    );
    expect((await room.service.set(source.id, { vcpu: 2 }, room.options())).spec.vcpu).toBe(2);
  });
});
