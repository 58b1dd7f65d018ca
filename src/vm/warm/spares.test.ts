/** VMs that are made in advance: who gets them, and what becomes of those that nobody gets. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { MachineWorld } from "../../../tests/fakes/machines.ts";
import { BangerError, type VmSpec } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import type { Personality } from "../../guest/guest.ts";
import type { VmRecord } from "../../state/state.ts";
import type { VmDeps } from "../deps.ts";
import { Daemons, ofRunning, options, spec } from "../testing/daemons.ts";
import { reconcile, type VmService, vmFiles } from "../vm.ts";

const atOnce = { templateQuietMs: 0, spareQuietMs: 0, spare: true };

let room: Daemons;
let world: MachineWorld;
let deps: VmDeps;
let service: VmService;

beforeEach(() => {
  room = new Daemons();
  world = room.world;
  ({ deps, service } = room.daemon(atOnce));
});
afterEach(async () => {
  await service.close();
  room.close();
});

async function create(name: string, change: Partial<VmSpec> = {}): Promise<VmRecord> {
  const kind = {
    ephemeral: false,
    willStart: true,
    workspace: false,
    cold: false,
    spec: { ...spec, ...change },
  };
  const input = { ...kind, name: VmName.parse(name), source: await deps.bootSource("", "") };
  return service.create(input, options(), () => {});
}

async function start(name: string, change: Partial<VmSpec> = {}): Promise<VmRecord> {
  return service.start((await create(name, change)).id, options());
}

async function waiting(): Promise<string> {
  for (let turn = 0; turn < 1000 && service.spares.template === undefined; turn += 1) await Bun.sleep(2);
  const [id] = world.paused();
  if (id === undefined) throw new Error("no VM waits");
  return id;
}

const fileOf = (person: Personality | undefined, path: string) =>
  Buffer.from(person?.files.find((file) => file.path === path)?.content ?? "missing").toString();
const keysOf = (person: Personality | undefined) => fileOf(person, "/root/.ssh/authorized_keys");
const hostKeyOf = (person: Personality | undefined) => fileOf(person, "/etc/ssh/ssh_host_ed25519_key");

describe("a VM that is made in advance", () => {
  test("waits, halted and unlisted, and is the next VM of its kind", async () => {
    await start("a");
    const spare = await waiting();
    expect(service.list().length).toBe(1);
    expect(deps.state.journal.open().map(({ list }) => list)).toEqual(["vm.spare"]);
    const machines = world.started.length;
    const made = await create("b");
    // Else its start would find the list open, and take its machine back.
    expect(deps.state.journal.open()).toEqual([]);
    const vm = await service.start(made.id, options());
    expect(vm).toMatchObject({ id: spare, name: "b", state: "running", warm: null, start: { how: "warm" } });
    expect(vm.rootDisk?.path).toBe(join(vmFiles(deps.paths, vm.id).dir, "root.qcow2"));
    expect(world.started.length).toBe(machines);
    expect(world.paused()).toEqual([]);
    const next = await waiting();
    expect(next).not.toBe(spare);
    await service.delete(vm.id, options());
    expect(existsSync(vmFiles(deps.paths, vm.id).dir)).toBe(false);
  });

  test("has rehearsed being told who it is, as nobody, with the devices that the VM then has", async () => {
    await start("a");
    await waiting();
    const nobody = world.persons.at(-1);
    expect(nobody).toMatchObject({ hostname: "spare" });
    expect(keysOf(nobody)).toBe("");
    const connected = world.connected.length;
    const vm = await start("b");
    const person = world.persons.at(-1);
    expect(person).toMatchObject({ hostname: "b", machineId: vm.machineId });
    expect(person?.machineId).not.toBe(nobody?.machineId);
    expect(hostKeyOf(person)).not.toBe(hostKeyOf(nobody));
    expect(world.connected.length).toBe(connected);
  });

  test("boots at its later starts like any other", async () => {
    await start("a");
    await waiting();
    const { id } = await start("b");
    await service.stop(id, options());
    expect((await service.start(id, options())).start).toEqual({ how: "cold", why: "again" });
  });

  test("is no VM of another kind, and gives way to one like the last", async () => {
    await start("a");
    const spare = await waiting();
    expect((await start("b", { nat: true })).id).not.toBe(spare);
    for (let turn = 0; turn < 1000 && world.paused()[0] === spare; turn += 1) await Bun.sleep(2);
    const next = await waiting();
    expect((await start("c", { nat: true })).id as string).toBe(next);
    expect(existsSync(join(room.dir, "vms", spare))).toBe(false);
  });

  test("serves one of several that start at once", async () => {
    await start("a");
    const spare = await waiting();
    const clones = await Promise.all(["b", "c", "d"].map((name) => start(name)));
    expect(clones.filter(({ id }) => id === spare).length).toBe(1);
    expect(clones.map((vm) => [vm.state, vm.start?.how])).toEqual(Array(3).fill(["running", "warm"]));
  });

  test("has the address that its VM will have, and nobody else gets that meanwhile", async () => {
    const first = await start("a");
    const spare = await waiting();
    const other = await start("b", { nat: true });
    expect(other.id as string).not.toBe(spare);
    const { address } = await start("c");
    const given = [first.address, other.address, address];
    expect(new Set([...given, ...world.connected]).size).toBe(new Set(world.connected).size);
    expect(new Set(given).size).toBe(3);
  });

  test("is made, and later VMs go on, though each guest ends its first connection", async () => {
    await start("a");
    for (let turn = 0; turn < 1000 && service.maker.busy; turn += 1) await Bun.sleep(2);
    await service.spares.dismiss();
    let asked = 0;
    deps.openSession = async (stream) => {
      asked += 1;
      if (asked % 2 === 1) throw new BangerError("guest_failed", "the way to the guest was closed");
      return world.session(stream);
    };
    expect((await start("b")).start?.how).toBe("warm");
    await waiting();
    expect(asked).toBe(4);
  });

  test("can be dismissed while it is being made", async () => {
    await start("a");
    while (!deps.state.journal.open().some(({ list }) => list === "vm.spare")) await Bun.sleep(1);
    expect(service.spares.template).toBeUndefined();
    await service.spares.dismiss();
    expect([deps.state.journal.open(), world.paused()]).toEqual([[], []]);
  });

  test("is not made any more when it is dismissed while its template is being looked up", async () => {
    await start("a");
    await waiting();
    await service.spares.dismiss();
    await start("b");
    const { bootSource } = deps;
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    deps.bootSource = async (...kind) => {
      asked.resolve();
      await answer.promise;
      return bootSource(...kind);
    };
    await asked.promise;
    await service.spares.dismiss();
    answer.resolve();
    await Bun.sleep(50);
    expect([deps.state.journal.open(), world.paused()]).toEqual([[], []]);
  });

  test("whose machine ends is forgotten with all that was of it", async () => {
    const { id } = await start("a");
    world.crash(await waiting());
    for (let turn = 0; turn < 1000 && service.spares.template !== undefined; turn += 1) await Bun.sleep(2);
    for (let turn = 0; turn < 1000 && deps.state.journal.open().length > 0; turn += 1) await Bun.sleep(2);
    expect(world.dump()).toBe(ofRunning(id));
    expect(readdirSync(deps.paths.vms)).toEqual([id]);
    expect((await start("b")).state).toBe("running");
  });

  test("whose machine ends before its VM is started boots from its disks", async () => {
    await start("a");
    const spare = await waiting();
    const vm = await create("b");
    expect(vm.id as string).toBe(spare);
    world.crash(spare);
    const started = await service.start(vm.id, options());
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "changed" } });
    expect(world.started.at(-1)?.restore).toBeUndefined();
  });

  test("that cannot go on boots from its disks, and that is said", async () => {
    await start("a");
    await waiting();
    const driver = world.driver();
    deps.driver = { ...driver, resume: () => Promise.reject(new Error("it hangs")) };
    const warned: string[] = [];
    const { id } = await create("b");
    const started = await service.start(id, { ...options(), warn: (said) => warned.push(said) });
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "failed" } });
    expect(warned).toEqual([expect.stringContaining("does not go on")]);
    expect(world.dump().match(new RegExp(`machine ${id}`, "g"))?.length).toBe(1);
  });

  test("that hangs is a reason to boot, too", async () => {
    await start("a");
    await waiting();
    // As the driver says it when its time is over.
    deps.driver = {
      ...world.driver(),
      resume: () => Promise.reject(new BangerError("cancelled", "cancelled")),
    };
    const warned: string[] = [];
    const { id } = await create("b");
    const started = await service.start(id, { ...options(), warn: (said) => warned.push(said) });
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "failed" } });
    expect(warned).toEqual([expect.stringContaining("it does not answer within 10 s")]);
    expect(world.dump().match(new RegExp(`machine ${id}`, "g"))?.length).toBe(1);
  });

  test("whose first start is cancelled before it goes on boots at the next, with devices of its own", async () => {
    await start("a");
    await waiting();
    const { id } = await create("b");
    const abort = new AbortController();
    const { bootSource } = deps;
    deps.bootSource = (...args) => {
      abort.abort();
      return bootSource(...args);
    };
    await expect(service.start(id, { ...options(), signal: abort.signal })).rejects.toThrow("cancelled");
    deps.bootSource = bootSource;
    const before = world.connected.length;
    const vm = await service.start(id, options());
    expect(vm).toMatchObject({ state: "running" });
    expect(world.connected.length).toBe(before + 1);
  });

  test("whose size is set before its first start boots with that", async () => {
    await start("a");
    await waiting();
    const { id } = await create("b");
    await service.set(id, { vcpu: 2 }, options());
    const started = await service.start(id, options());
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "changed" } });
    expect(world.started.at(-1)).toMatchObject({ id, vcpu: 2 });
  });

  test("ends when nobody wants it for a while, and with the daemon", async () => {
    await service.close();
    ({ deps, service } = room.daemon({ ...atOnce, spareWaitMs: 20 }));
    const { id } = await start("a");
    await waiting();
    for (let turn = 0; turn < 1000 && world.paused().length > 0; turn += 1) await Bun.sleep(2);
    expect(service.spares.template).toBeUndefined();
    await service.close();
    expect(world.dump()).toBe(ofRunning(id));
    expect(deps.state.journal.open()).toEqual([]);
  });

  test("is not made by those who do not want it", async () => {
    deps.spare = false;
    await start("a");
    for (let turn = 0; turn < 1000 && service.maker.busy; turn += 1) await Bun.sleep(2);
    await Bun.sleep(20);
    expect(world.paused()).toEqual([]);
  });

  test("is ended by the next daemon when it was to be a VM that was never started", async () => {
    const first = await start("a");
    await waiting();
    const vm = await create("b");
    const next = room.daemon();
    await reconcile(next.deps, next.service);
    expect(world.dump()).toBe(ofRunning(first.id));
    expect(next.service.find("b").state).toBe("created");
    const started = await next.service.start(vm.id, options());
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "changed" } });
  });
});
