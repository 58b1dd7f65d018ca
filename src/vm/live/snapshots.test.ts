/** Suspended VMs and snapshots, in a world of machines without a VMM. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LiveRoom } from "../testing/live-room.ts";
import { reconcile } from "../vm.ts";

let room: LiveRoom;
beforeEach(() => {
  room = new LiveRoom();
});
afterEach(() => room.close());

describe("a suspended VM", () => {
  test("has no machine, and goes on from its memory, under this daemon or another", async () => {
    const { id } = await room.start("a");
    for (const another of [false, true]) {
      expect(await room.service.live.suspend(id, room.options())).toMatchObject({
        state: "suspended",
        machine: null,
      });
      expect([room.world.dump(), room.checkpoints().length]).toEqual(["", 1]);
      await expect(room.session("a")).rejects.toMatchObject({ hint: "start it first: banger vm start a" });
      await expect(room.service.set(id, { vcpu: 2 }, room.options())).rejects.toThrow("must be stopped");
      if (another) room.restart();
      if (another) await reconcile(room.deps, room.service);
      const started = await room.service.start(id, room.options());
      expect(started).toMatchObject({ state: "running", start: { how: "resumed", from: "suspend" } });
      expect(room.world.started.at(-1)).toMatchObject({
        id,
        restore: { halted: true },
        memory: { use: "map" },
      });
      expect(room.checkpoints()).toEqual([]);
    }
    expect(room.world.clocksSet).toBe(2);
    expect(room.state.journal.open()).toEqual([]);
  });

  test("stays so when it cannot go on, and boots when its memory is given up", async () => {
    const { id } = await room.start("a");
    await room.service.live.suspend(id, room.options());
    room.world.refusesRestore = true;
    await expect(room.service.start(id, room.options())).rejects.toThrow(
      "the saved state cannot be restored",
    );
    expect(room.service.find("a")).toMatchObject({ state: "suspended", machine: null });
    room.world.refusesRestore = false;
    const [checkpoint = ""] = room.checkpoints();
    writeFileSync(join(room.dir, "checkpoints", checkpoint, "state"), "other");
    await expect(room.service.start(id, room.options())).rejects.toThrow("damaged: state has changed");
    expect(room.service.find("a").state).toBe("suspended");
    expect((await room.service.stop(id, room.options())).state).toBe("stopped");
    expect((await room.service.start(id, room.options())).start).toEqual({ how: "cold", why: "again" });
    await room.service.delete(id, room.options());
    expect(room.checkpoints()).toEqual([]);
  });

  test("without the list of what was saved is not gone on from, and loses nothing", async () => {
    const { id } = await room.start("a");
    await room.service.live.suspend(id, room.options());
    const [checkpoint = ""] = room.checkpoints();
    const manifest = join(room.dir, "checkpoints", checkpoint, "manifest.json");
    const good = readFileSync(manifest);
    for (const [what, damage] of [
      ["damaged", () => truncateSync(manifest, good.length - 1)],
      ["absent", () => rmSync(manifest)],
    ] as const) {
      damage();
      await expect(room.service.start(id, room.options())).rejects.toThrow(`its manifest.json is ${what}`);
      expect([room.service.find("a").state, room.checkpoints()]).toEqual(["suspended", [checkpoint]]);
    }
    writeFileSync(manifest, good);
    expect((await room.service.start(id, room.options())).state).toBe("running");
  });

  test("has its guest's files on its disks, and says what a stop gives up", async () => {
    const { id } = await room.start("a");
    const done: string[] = [];
    const driver = room.world.driver();
    room.deps.driver = {
      ...driver,
      pause: async (...args) => {
        done.push("pause");
        await driver.pause?.(...args);
      },
    };
    const session = await room.session("a");
    const { exec } = session;
    session.exec = async (request, signal) => {
      done.push(request.argv.join(" "));
      return exec(request, signal);
    };
    await room.service.live.suspend(id, room.options());
    expect(done).toEqual(["sync", "pause"]);
    await room.service.stop(id, room.options());
    expect(room.checkpoints()).toEqual([]);
    expect(room.warned).toEqual([
      "what ran in VM a when it was suspended is given up; its files are as they were then",
    ]);
  });

  test("has a guest that answered: one that hangs is not saved, and runs on", async () => {
    const { id } = await room.start("a");
    (await room.session("a")).ping = () => Promise.reject(new Error("no answer"));
    await expect(room.service.live.suspend(id, room.options())).rejects.toMatchObject({
      code: "guest_failed",
      message:
        "VM a cannot be suspended: its guest does not answer, and would not when it goes on from there",
    });
    await expect(room.service.live.snapshot(id, "s", room.options())).rejects.toThrow("cannot be saved");
    const one = { name: undefined, count: 1 };
    await expect(room.service.live.fork(id, one, room.options())).rejects.toThrow("cannot be forked");
    expect([room.service.find("a").state, room.checkpoints()]).toEqual(["running", []]);
  });

  test("goes on, even if its caller goes away while it does: its memory can be gone on from only once", async () => {
    const { id } = await room.start("a");
    await room.service.live.suspend(id, room.options());
    const abort = new AbortController();
    const open = room.deps.openSession;
    room.deps.openSession = (stream, signal) => {
      abort.abort();
      return open(stream, signal);
    };
    expect((await room.service.start(id, { signal: abort.signal })).state).toBe("running");
  });

  test("whose memory cannot be saved runs on", async () => {
    const { id } = await room.start("a");
    room.world.refusesCheckpoint = true;
    await expect(room.service.live.suspend(id, room.options())).rejects.toThrow("could not save");
    expect([room.service.find("a").state, room.world.paused(), room.checkpoints()]).toEqual([
      "running",
      [],
      [],
    ]);
  });
});

describe("snapshots", () => {
  const names = async () => (await room.service.live.snapshots()).map(({ name }) => name);

  test("whose manifest is damaged are nobody's, but stay for as long as there is a VM", async () => {
    const { id } = await room.start("a");
    const { id: first } = await room.service.live.snapshot(id, "first", room.options());
    const manifest = join(room.dir, "checkpoints", first, "manifest.json");
    const good = readFileSync(manifest, "utf8");
    // A bit of it: nothing of what it says is believed any more.
    writeFileSync(manifest, good.replace("checkpoints/", "bheckpoints/"));
    await room.service.live.snapshot(id, "second", room.options());
    expect(await names()).toEqual(["second"]);
    await expect(room.service.live.restore(id, "other", room.options())).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringContaining(join(room.dir, "checkpoints", first)),
    });
    expect([room.service.find("a").state, room.checkpoints().includes(first)]).toEqual(["running", true]);
    writeFileSync(manifest, good);
    expect((await room.service.live.restore(id, "first", room.options())).state).toBe("running");
    writeFileSync(manifest, "");
    await room.service.delete(id, room.options());
    expect(room.checkpoints()).toEqual([]);
  });

  test("are gone back to as often as one likes, while the VM runs or not", async () => {
    const { id } = await room.start("a");
    expect((await room.service.live.snapshot(id, undefined, room.options())).name).toBe("s1");
    await room.service.live.snapshot(id, "later", room.options());
    expect(await names()).toEqual(["s1", "later"]);
    const [first] = room.service.find("a").layers;
    await room.service.live.restore(id, "s1", room.options());
    const { layers, state: now, start: started } = room.service.find("a");
    expect([layers, now, started]).toEqual([
      [first ?? ""],
      "running",
      { how: "resumed", from: "snapshot s1" },
    ]);
    await room.service.stop(id, room.options());
    await room.service.live.restore(id, "later", room.options());
    expect(room.service.find("a")).toMatchObject({ state: "running", start: { from: "snapshot later" } });
    expect(room.world.started.at(-1)?.restore?.state).toContain(room.service.find("a").layers[1] ?? "none");
    expect(await names()).toEqual(["s1", "later"]);
    await room.service.delete(id, room.options());
    expect([await names(), room.checkpoints()]).toEqual([[], []]);
  });

  test("leave their disks where others stand on them, and take the rest with them", async () => {
    const { id } = await room.start("a");
    const { id: first } = await room.service.live.snapshot(id, "s", room.options());
    await room.service.live.removeSnapshot(id, "s");
    expect(await names()).toEqual([]);
    expect(readdirSync(join(room.dir, "checkpoints", first)).sort()).toEqual(["root.qcow2", "work.ext4"]);
    await expect(room.service.live.restore(id, "s", room.options())).rejects.toThrow(
      'VM a has no snapshot "s"',
    );
    await expect(room.service.live.removeSnapshot(id, "s")).rejects.toMatchObject({ code: "not_found" });
  });

  for (const file of ["memory", "state", "root.qcow2", "work.ext4"]) {
    test(`whose ${file} was changed are not gone back to, and the VM runs on`, async () => {
      const { id } = await room.start("a");
      const { id: checkpoint } = await room.service.live.snapshot(id, "s", room.options());
      const before = room.service.find("a");
      writeFileSync(join(room.dir, "checkpoints", checkpoint, file), "x");
      await expect(room.service.live.restore(id, "s", room.options())).rejects.toThrow(`${file} has changed`);
      expect(room.service.find("a")).toEqual(before);
    });
  }

  test("are refused under a name that is taken, and of a VM that does not run", async () => {
    const { id } = await room.start("a");
    await room.service.live.snapshot(id, "s", room.options());
    await expect(room.service.live.snapshot(id, "s", room.options())).rejects.toMatchObject({
      code: "already_exists",
    });
    await room.service.stop(id, room.options());
    await expect(room.service.live.snapshot(id, "t", room.options())).rejects.toThrow("VM a is stopped");
    expect(await names()).toEqual(["s"]);
  });
});
