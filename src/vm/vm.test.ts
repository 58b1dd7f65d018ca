import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MachineWorld } from "../../tests/fakes/machines.ts";
import { BangerError } from "../base/base.ts";
import { VmName } from "../base/ids.ts";
import type { VmDeps } from "./deps.ts";
import { Daemons, make, ofRunning, options, spec } from "./testing/daemons.ts";
import { reattach, reconcile, vmFiles } from "./vm.ts";

let room: Daemons;
let dir: string;
let world: MachineWorld;

beforeEach(() => {
  room = new Daemons();
  ({ dir, world } = room);
});
afterEach(() => room.close());
const daemon = (change: Partial<VmDeps> = {}) => room.daemon(change);

/** A failpoint after whose step the journal cannot be written, the first time. */
function diskFullOnce(at: string): VmDeps["failpoint"] {
  let full = true;
  return (step, when) => {
    if (!full || step !== at || when !== "after") return;
    full = false;
    throw new BangerError("no_space", "the disk is full");
  };
}

describe("the life of a VM", () => {
  test("create, start, stop, start, delete, and nothing is left", async () => {
    const { deps, service } = daemon();
    const vm = await make(service, deps, "calm-otter");
    expect(vm.state).toBe("created");
    expect((await service.start(vm.id, options())).state).toBe("running");
    expect((await service.stop(vm.id, options())).state).toBe("stopped");
    expect((await service.restart(vm.id, options())).state).toBe("running");
    await service.delete(vm.id, options());
    expect(service.list()).toEqual([]);
    expect(room.leftovers()).toBe("");
    expect(deps.state.journal.open()).toEqual([]);
  });

  test("its size changes while it is stopped, its egress at any time, and its disk only grows", async () => {
    const { deps, service } = daemon();
    const { id } = await make(service, deps, "calm-otter");
    const larger = await service.set(id, { vcpu: 2, diskBytes: 128 << 20 }, options());
    expect(larger.spec).toEqual({ ...spec, vcpu: 2, diskBytes: 128 << 20 });
    expect(statSync(vmFiles(deps.paths, id).workDisk).size).toBe(128 << 20);
    expect(service.set(id, { diskBytes: 64 << 20 }, options())).rejects.toThrow("it can grow, not shrink");
    await service.start(id, options());
    expect(service.set(id, { vcpu: 1 }, options())).rejects.toThrow("must be stopped");
    expect((await service.set(id, { nat: true }, options())).spec.nat).toBe(true);
  });

  test("more processors than its driver gives a VM are refused before anything is made", async () => {
    const { deps, service } = daemon();
    deps.driver = {
      ...deps.driver,
      name: "firecracker",
      capabilities: { ...deps.driver.capabilities, maxVcpus: 1 },
    };
    const most = "firecracker gives a VM at most 1 CPUs, not 2";
    const asked = { name: VmName.parse("wide"), source: await deps.bootSource("", ""), ephemeral: false };
    const input = { ...asked, willStart: true, workspace: false, cold: false, spec: { ...spec, vcpu: 2 } };
    await expect(service.create(input, options(), () => {})).rejects.toThrow(most);
    expect(service.list()).toEqual([]);
    const { id } = await make(service, deps, "calm-otter");
    await expect(service.set(id, { vcpu: 2 }, options())).rejects.toThrow(most);
  });

  test("a start that is refused because it runs leaves its session alone", async () => {
    const { deps, service } = daemon();
    const vm = await make(service, deps, "calm-otter");
    const running = await service.start(vm.id, options());
    const session = await deps.runtimes.session(running, options().signal);
    await expect(service.start(vm.id, options())).rejects.toThrow("is running");
    expect(await deps.runtimes.session(running, options().signal)).toBe(session);
  });

  test("a session that was lost is opened again for the next call", async () => {
    const { deps, service } = daemon();
    deps.runtimes.revive = (id) => reattach(deps, id);
    const vm = await make(service, deps, "calm-otter");
    const running = await service.start(vm.id, options());
    const lost = await deps.runtimes.session(running, options().signal);
    lost.close();
    await lost.closed;
    const again = await deps.runtimes.session(running, options().signal);
    expect(again).not.toBe(lost);
  });

  test("what was to be deleted for being idle is left alone when it has been started meanwhile", async () => {
    const { deps, service } = daemon();
    const vm = await make(service, deps, "calm-otter");
    const started = service.start(vm.id, options());
    await expect(service.delete(vm.id, options(), { onlyIdle: true })).rejects.toThrow(
      "is running: left alone",
    );
    expect((await started).state).toBe("running");
    await service.stop(vm.id, options());
    await service.delete(vm.id, options(), { onlyIdle: true });
    expect(room.leftovers()).toBe("");
  });

  test("a taken name is refused and the first VM stays as it was", async () => {
    const { deps, service } = daemon();
    const first = await make(service, deps, "a");
    await expect(make(service, deps, "a")).rejects.toThrow("a VM named a exists already");
    expect(service.list().map((vm) => vm.id)).toEqual([first.id]);
    expect(room.leftovers()).toBe(`/vms/${first.id}`);
  });

  test("a start that fails is kept as an error with its reason, and can be tried again", async () => {
    let broken = true;
    const { deps, service } = daemon({
      openSession: async (stream) => {
        if (broken) throw new BangerError("guest_failed", "kernel panic");
        return world.session(stream);
      },
    });
    const vm = await make(service, deps, "a");
    await expect(service.start(vm.id, options())).rejects.toThrow("kernel panic");
    expect(service.find("a")).toMatchObject({ state: "error", machine: null });
    expect(service.find("a").lastError).toContain("kernel panic");
    expect(world.dump()).toBe("");
    broken = false;
    expect((await service.start(vm.id, options())).state).toBe("running");
  });

  test("a start that fails when its row says running already is no running VM, and can be tried again", async () => {
    const { deps, service } = daemon({ failpoint: diskFullOnce("vm.start.mark_running") });
    const vm = await make(service, deps, "a");
    await expect(service.start(vm.id, options())).rejects.toThrow("the disk is full");
    expect(service.find("a")).toMatchObject({ state: "error", machine: null });
    expect(world.dump()).toBe("");
    expect((await service.start(vm.id, options())).state).toBe("running");
    expect(deps.state.journal.open()).toEqual([]);
  });

  for (const step of ["mark_stopping", "vmm_end", "mark_stopped"]) {
    test(`a stop that failed after ${step} and was repeated does not stop what was started since`, async () => {
      const { deps, service } = daemon({ failpoint: diskFullOnce(`vm.stop.${step}`) });
      // There is no reserve, and no room to be had from the database either.
      const none = { hold: () => {}, release: () => false };
      Object.assign(deps, { state: { ...deps.state, reclaim: () => false }, reserve: none });
      const vm = await make(service, deps, "a");
      await service.start(vm.id, options());
      await expect(service.stop(vm.id, options())).rejects.toThrow("the disk is full");
      expect((await service.stop(vm.id, options())).state).toBe("stopped");
      await service.start(vm.id, options());
      const next = daemon();
      await reconcile(next.deps, next.service);
      expect(next.service.find("a").state).toBe("running");
    });
  }

  test("a VM whose start could not be taken back can be deleted, and nothing is left of either", async () => {
    let full = false;
    const { deps, service } = daemon({
      failpoint: (step, when) => {
        full ||= step === "vm.start.guest_ready" && when === "before";
        if (full && step.startsWith("vm.start.")) throw new BangerError("no_space", "the disk is full");
      },
    });
    const vm = await make(service, deps, "a");
    await expect(service.start(vm.id, options())).rejects.toThrow("the disk is full");
    await service.delete(vm.id, options());
    expect(room.leftovers()).toBe("");
    expect(deps.state.journal.open()).toEqual([]);
  });

  test("a start whose taking back failed too is taken back by the next start, not by the next daemon", async () => {
    let full = false;
    const { deps, service } = daemon({
      failpoint: (step, when) => {
        full ||= step === "vm.start.guest_ready" && when === "before";
        if (full) throw new BangerError("no_space", "the disk is full");
      },
    });
    const vm = await make(service, deps, "a");
    await expect(service.start(vm.id, options())).rejects.toThrow("the disk is full");
    expect(deps.state.journal.open().length).toBe(1);
    full = false;
    deps.failpoint = undefined;
    expect((await service.start(vm.id, options())).state).toBe("running");
    expect(world.dump()).toBe(ofRunning(vm.id));
    expect(deps.state.journal.open()).toEqual([]);
  });

  for (const end of ["stop", "kill", "delete"] as const) {
    test(`${end} does not wait for a guest that hangs while it boots`, async () => {
      const { deps, service } = daemon();
      const vm = await make(service, deps, "a");
      world.hangs = true;
      const starting = service.start(vm.id, options());
      starting.catch(() => {});
      while (world.dump() === "") await Bun.sleep(1);
      if (end === "kill") await service.kill(vm.id, 9, options());
      else await service[end](vm.id, options());
      await expect(starting).rejects.toThrow("cancelled");
      expect(world.dump()).toBe("");
      if (end !== "delete") expect(service.find("a")).toMatchObject({ state: "stopped", lastError: null });
    });
  }

  test("when the database is lost, no directory is: it is adopted, renamed if need be, or set aside; but one that was never finished", async () => {
    const { deps, service } = daemon();
    const known = await make(service, deps, "a");
    const unreadable = await make(service, deps, "b");
    const unfinished = await make(service, deps, "c");
    writeFileSync(join(dir, "vms", unreadable.id, "vm.json"), "{");
    writeFileSync(join(dir, "vms", unfinished.id, "vm.json"), "");
    for (const { id } of [known, unreadable, unfinished]) deps.state.vms.remove(id);
    const taken = await make(service, deps, "a");
    const next = daemon();
    await reconcile(next.deps, next.service);
    const names = new Map(next.service.list().map((vm) => [vm.id, vm.name]));
    expect(names.get(taken.id)).toBe(VmName.parse("a"));
    expect(names.has(known.id) && names.get(known.id) !== "a").toBe(true);
    expect(readdirSync(join(dir, "vms")).sort()).toEqual(
      [known.id, taken.id, `${unreadable.id}.lost`].sort(),
    );
  });

  test("a machine that dies by itself leaves a stopped VM with the reason", async () => {
    const { deps, service } = daemon();
    const vm = await make(service, deps, "a");
    await service.start(vm.id, options());
    world.crash(vm.id);
    for (let turn = 0; turn < 200 && service.find("a").state !== "stopped"; turn += 1) await Bun.sleep(1);
    expect(service.find("a")).toMatchObject({ state: "stopped", machine: null });
    expect(service.find("a").lastError).toContain("ended by itself");
  });

  test("cancelling a start takes it back without calling it an error", async () => {
    const abort = new AbortController();
    const { deps, service } = daemon({
      openSession: async (stream) => {
        abort.abort();
        return world.session(stream);
      },
    });
    const vm = await make(service, deps, "a");
    const failure = await service.start(vm.id, { signal: abort.signal }).catch((error: unknown) => error);
    expect((failure as BangerError).code).toBe("cancelled");
    expect(service.find("a").state).toBe("stopped");
    expect(world.dump()).toBe("");
  });

  test("whose machine ends meanwhile says what its VMM said last", async () => {
    const { deps, service } = daemon();
    const vm = await make(service, deps, "a");
    const session = deps.openSession;
    deps.openSession = async (stream, signal) => ({
      ...(await session(stream, signal)),
      personalise: async () => {
        writeFileSync(vmFiles(deps.paths, vm.id).vmmLog, "ignored\nno room\nso it ends\n");
        world.crash(vm.id);
        throw new BangerError("guest_failed", "the way to the guest was closed");
      },
    });
    const failure = await service.start(vm.id, options()).catch((error: BangerError) => error.message);
    expect(failure).toBe("the virtual machine ended while it started: no room; so it ends");
  });
});
