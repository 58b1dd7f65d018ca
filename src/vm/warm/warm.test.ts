/** Templates in the life of VMs: when they are made, used and given up, in a world of machines without a VMM. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { MachineWorld } from "../../../tests/fakes/machines.ts";
import { BangerError } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import type { State, VmRecord } from "../../state/state.ts";
import { openTemplates } from "../../warm/warm.ts";
import type { VmDeps } from "../deps.ts";
import { LiveRoom, spec } from "../testing/live-room.ts";
import { type VmService, vmFiles } from "../vm.ts";

let room: LiveRoom;
let dir: string;
let world: MachineWorld;
let state: State;
let deps: VmDeps;
let service: VmService;
let warned: string[];
const options = () => room.options();

beforeEach(() => {
  room = new LiveRoom({ templateQuietMs: 0, templateIdleMs: 0 });
  ({ dir, world, state, deps, service, warned } = room);
});
afterEach(() => room.close());

async function create(name: string, change: { cold?: boolean; spec?: typeof spec } = {}): Promise<VmRecord> {
  const input = { ephemeral: false, willStart: true, workspace: false, cold: false, spec, ...change };
  const made = { ...input, name: VmName.parse(name), source: await deps.bootSource("", "") };
  return service.create(made, options(), () => {});
}

async function start(name: string, change: { cold?: boolean; spec?: typeof spec } = {}): Promise<VmRecord> {
  return service.start((await create(name, change)).id, options());
}

/** The names of the templates' directory, when nothing is being made any more. */
async function templates(): Promise<string[]> {
  // A template is asked for a moment after the start that missed it.
  for (let quiet = 0, turn = 0; quiet < 10 && turn < 2000; turn += 1) {
    await Bun.sleep(2);
    quiet = service.maker.busy ? 0 : quiet + 1;
  }
  return readdirSync(join(dir, "templates"));
}

const last = () => world.started.at(-1);

describe("a template", () => {
  test("is made after a VM had to boot, and the next VM goes on from it, with disks of its own", async () => {
    const first = await start("a");
    expect(first.start).toEqual({ how: "cold", why: "none" });
    const [key = ""] = await templates();
    expect(world.dump()).not.toContain("template");
    expect(last()).toMatchObject({ name: "template", egress: "none", memory: { use: "make" } });
    const second = await create("b");
    expect(second.warm?.key).toBe(key);
    const started = await service.start(second.id, options());
    expect(started).toMatchObject({ state: "running", warm: null, start: { how: "warm", template: key } });
    expect(last()).toMatchObject({ id: second.id, memory: { use: "map" } });
    expect(last()?.restore?.state).toBe(join(dir, "templates", key, "state"));
    expect(started.rootDisk?.path).toBe(join(dir, "vms", second.id, "root.qcow2"));
    expect(last()?.disks[1]?.path).toBe(vmFiles(deps.paths, second.id).workDisk);
    expect(readdirSync(join(dir, "templates", key)).sort()).toEqual([
      ...["manifest.json", "memory", "root.qcow2", "state", "work.ext4"],
    ]);
    expect(warned).toEqual([]);
    expect(state.journal.open()).toEqual([]);
  });

  test("serves a VM's first start only: later ones find the disks changed", async () => {
    await start("a");
    await templates();
    const { id } = await start("b");
    await service.stop(id, options());
    expect((await service.start(id, options())).start).toEqual({ how: "cold", why: "again" });
    expect(last()?.restore).toBeUndefined();
  });

  test("serves several VMs that start at once", async () => {
    await start("a");
    await templates();
    const clones = await Promise.all(["b", "c", "d"].map((name) => start(name)));
    expect(clones.map((vm) => vm.start?.how)).toEqual(["warm", "warm", "warm"]);
    expect(new Set(clones.map((vm) => vm.rootDisk?.path)).size).toBe(3);
  });

  test("of another size, or another driver's, is not used", async () => {
    await start("a");
    expect((await templates()).length).toBe(1);
    const larger = await start("b", { spec: { ...spec, memoryMiB: 512 } });
    expect(larger.start).toEqual({ how: "cold", why: "none" });
    expect((await templates()).length).toBe(2);
    world.version = "2";
    expect((await start("c")).start).toEqual({ how: "cold", why: "none" });
  });

  test("is not gone on from when the VM was changed meanwhile, and then its disks boot", async () => {
    await start("a");
    await templates();
    const { id } = await create("b");
    await service.set(id, { vcpu: 2 }, options());
    const started = await service.start(id, options());
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "changed" } });
  });

  test("is not gone on from when it was made anew since the disks were copied", async () => {
    await start("a");
    const [key = ""] = await templates();
    const { id } = await create("b");
    await deps.templates?.drop(key);
    await start("c");
    expect(await templates()).toEqual([key]);
    expect((await service.start(id, options())).start).toEqual({ how: "cold", why: "changed" });
  });

  test("is left alone by whoever asks for a cold start, and none is made for that", async () => {
    expect((await start("a", { cold: true })).start).toEqual({ how: "cold", why: "asked" });
    await Bun.sleep(50);
    expect(service.maker.busy).toBe(false);
    expect(world.started.length).toBe(1);
  });

  test("that the driver refuses is removed; the VM boots from the same disks, and that is said once", async () => {
    await start("a");
    await templates();
    world.refusesRestore = true;
    const vm = await start("b");
    expect(vm).toMatchObject({ state: "running", lastError: null, start: { how: "cold", why: "failed" } });
    expect(warned).toEqual([expect.stringContaining("the saved state cannot be restored")]);
    expect(world.started.at(-1)?.restore).toBeUndefined();
    world.refusesRestore = false;
    // In its place another one is made.
    expect((await templates()).length).toBe(1);
    expect((await start("c")).start?.how).toBe("warm");
  });

  for (const file of ["memory", "state", "root.qcow2", "work.ext4", "manifest.json"]) {
    test(`whose ${file} is cut short is removed; the VM boots, and that is said once`, async () => {
      await start("a");
      const [key = ""] = await templates();
      truncateSync(join(dir, "templates", key, file), 3);
      const vm = await start("b");
      expect(vm).toMatchObject({ state: "running", start: { how: "cold", why: "damaged" } });
      expect(warned).toEqual([expect.stringContaining("was damaged")]);
    });
  }
});

describe("on a host that lends devices", () => {
  test("a template's guest has no network of its own, and what goes on from it has its own MAC and address", async () => {
    await start("a");
    await templates();
    // Told twice who it is: before it boots, and when it has.
    const [first, ...others] = world.persons;
    expect(first?.network).toMatchObject({ address: "172.16.0.2", mac: "02:00:00:00:00:01" });
    expect(others.map(({ network }) => network)).toEqual([undefined, undefined]);
    expect(last()?.network).toMatchObject({ tap: "tap-pool-0" });
    await start("b");
    expect(world.persons.at(-1)?.network).toMatchObject({
      ...{ address: "172.16.0.3", mac: "02:00:00:00:00:01" },
    });
    expect(world.connected).toEqual(["172.16.0.2", "172.16.0.254", "172.16.0.3"]);
  });

  test("a disk that a guest goes on with is left as it is, and one that is booted from may be repaired", async () => {
    await start("a");
    await templates();
    const { id } = await start("b");
    await service.stop(id, options());
    await service.start(id, options());
    expect(world.attached.map(({ goesOn }) => goesOn)).toEqual([false, false, true, false]);
  });

  test("a disk whose guest does not go on may be repaired before it boots", async () => {
    await start("a");
    await templates();
    world.refusesRestore = true;
    await start("b");
    expect(world.attached.slice(2, 4).map(({ goesOn }) => goesOn)).toEqual([true, false]);
  });
});

describe("making a template", () => {
  test("gives way to real work, and is begun again after it", async () => {
    await start("a");
    // The template's guest hangs; so it is still being made when the next VM is.
    world.hangs = true;
    for (let turn = 0; turn < 500 && last()?.name !== "template"; turn += 1) await Bun.sleep(1);
    expect(last()?.name).toBe("template");
    const second = await create("b");
    world.hangs = false;
    expect((await service.start(second.id, options())).start).toEqual({ how: "cold", why: "none" });
    expect((await templates()).length).toBe(1);
    expect(world.started.filter(({ name }) => name === "template").length).toBe(2);
  });

  test("that fails leaves nothing, and after the second time is given up", async () => {
    const driver = world.driver();
    driver.save = () => Promise.reject(new BangerError("no_space", "the disk is full"));
    deps.driver = driver;
    for (const name of ["a", "b", "c"]) {
      expect((await start(name)).state).toBe("running");
      expect(await templates()).toEqual([]);
    }
    expect(world.started.filter(({ name }) => name === "template").length).toBe(2);
    expect(world.dump().split("\n").length).toBe(9);
    expect(state.journal.open()).toEqual([]);
  });

  test("that is larger than all of them may be is given up, and not begun after each boot", async () => {
    deps.templates = openTemplates(join(dir, "templates"), { maxBytes: 1000, log: deps.log });
    for (const name of ["a", "b", "c"]) {
      expect((await start(name)).start).toEqual({ how: "cold", why: "none" });
      expect(await templates()).toEqual([]);
    }
    expect(world.started.filter(({ name }) => name === "template").length).toBe(2);
  });

  test("is taken back when the daemon ends", async () => {
    await start("a");
    world.hangs = true;
    for (let turn = 0; turn < 500 && last()?.name !== "template"; turn += 1) await Bun.sleep(1);
    await service.close();
    expect(readdirSync(join(dir, "templates"))).toEqual([]);
    expect(world.dump().split("\n").length).toBe(3);
  });

  test("needs a driver that can save, and a user who wants it", async () => {
    const { save: _save, stateKey: _key, ...plain } = world.driver();
    deps.driver = plain;
    expect((await start("a")).start).toEqual({ how: "cold", why: "unsupported" });
    deps.driver = world.driver();
    deps.templates = undefined;
    expect((await start("b")).start).toEqual({ how: "cold", why: "off" });
    await Bun.sleep(20);
    expect(world.started.length).toBe(2);
  });

  test("leaves its files to their owner alone", async () => {
    await start("a");
    const [key = ""] = await templates();
    const mode = (name: string) => statSync(join(dir, "templates", key, name)).mode & 0o777;
    expect(["", "memory", "state", "root.qcow2", "work.ext4", "manifest.json"].map(mode)).toEqual([
      ...[0o700, 0o600, 0o600, 0o600, 0o600, 0o600],
    ]);
  });
});
