import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MachineWorld } from "../../tests/fakes/machines.ts";
import { BangerError, newVmId, VmName } from "../base/base.ts";
import { diskReserve } from "../disk/disk.ts";
import { openState, type State } from "../state/state.ts";
import { openTemplates } from "../warm/warm.ts";
import type { VmDeps } from "./deps.ts";
import { generateName } from "./names.ts";
import { resolveRef } from "./refs.ts";
import { transition } from "./states.ts";
import { Runtimes, reattach, reconcile, stepLists, VmService, vmFiles } from "./vm.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const spec = { vcpu: 1, memoryMiB: 256, diskBytes: 64 << 20, overlayBytes: 64 << 20, nat: false };
const options = () => ({ signal: new AbortController().signal });

let dir: string;
let world: MachineWorld;
let open: State[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-vm-"));
  mkdirSync(join(dir, "vms"));
  mkdirSync(join(dir, "run"));
  mkdirSync(join(dir, "seed"));
  writeFileSync(join(dir, "rootfs.ext4"), Buffer.alloc(1 << 20));
  world = new MachineWorld();
  open = [];
});
afterEach(() => {
  for (const state of open) state.close();
  rmSync(dir, { recursive: true });
});

/** A daemon's vm room over the files and machines that earlier ones left. */
function daemon(change: Partial<VmDeps> = {}): { deps: VmDeps; service: VmService } {
  const state = openState(join(dir, "banger.db"));
  open.push(state);
  const source = {
    image: { id: "sha256:i", name: "image" },
    kernel: { id: "sha256:k", name: "kernel" },
    rootfs: join(dir, "rootfs.ext4"),
    vmlinux: "/vmlinux",
    initramfs: "/initramfs",
    cmdline: ["quiet"],
    workSeed: undefined,
  };
  const deps: VmDeps = {
    state,
    driver: world.driver(),
    paths: {
      vms: join(dir, "vms"),
      run: join(dir, "run"),
      workTemplates: join(dir, "work"),
      templates: join(dir, "templates"),
    },
    bootSource: async () => source,
    rootDiskStrategy: "overlay",
    authorizedKeys: async () => ["ssh-ed25519 AAAA test"],
    templates: openTemplates(join(dir, "templates"), { maxBytes: 1 << 30, log: silent }),
    templateQuietMs: 1e6,
    templateIdleMs: 0,
    devices: world.devices(),
    reserve: diskReserve(join(dir, "reserve")),
    runtimes: new Runtimes(),
    openSession: async (stream) => world.session(stream),
    log: silent,
    ...change,
  };
  return { deps, service: new VmService(deps) };
}

async function make(service: VmService, deps: VmDeps, name: string, ephemeral = false) {
  const source = await deps.bootSource("", "");
  return service.create(
    { name: VmName.parse(name), source, spec, ephemeral, willStart: true, cold: false },
    options(),
    () => {},
  );
}

/** A failpoint after whose step the journal cannot be written, the first time. */
function diskFullOnce(at: string): VmDeps["failpoint"] {
  let full = true;
  return (step, when) => {
    if (!full || step !== at || when !== "after") return;
    full = false;
    throw new BangerError("no_space", "the disk is full");
  };
}

/** What the world holds when just these VMs run. */
function ofRunning(...ids: string[]): string {
  return ids
    .flatMap((id) => [`machine ${id}`, `root ${id}`, `tap ${id}`])
    .sort()
    .join("\n");
}

/** Everything of VMs that exists outside the database, as text. */
function leftovers(): string {
  const list = (path: string) =>
    (existsSync(path) ? readdirSync(path) : []).map((name) => `${path.replace(dir, "")}/${name}`);
  return [...list(join(dir, "vms")), ...list(join(dir, "run")), world.dump()].filter(Boolean).join("\n");
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
    expect(leftovers()).toBe("");
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
    expect(leftovers()).toBe("");
  });

  test("a taken name is refused and the first VM stays as it was", async () => {
    const { deps, service } = daemon();
    const first = await make(service, deps, "a");
    await expect(make(service, deps, "a")).rejects.toThrow("a VM named a exists already");
    expect(service.list().map((vm) => vm.id)).toEqual([first.id]);
    expect(leftovers()).toBe(`/vms/${first.id}`);
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
    expect(leftovers()).toBe("");
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

  for (const end of ["stop", "delete"] as const) {
    test(`on a full disk there is room enough to ${end} a VM, once more and again`, async () => {
      let full = false;
      const { deps, service } = daemon({
        failpoint: (step) => {
          // The reserve is what makes room: while it is there, a full disk takes nothing more.
          if (full && step.startsWith(`vm.${end}.`) && existsSync(join(dir, "reserve")))
            throw new BangerError("no_space", "the disk is full");
        },
      });
      deps.reserve.hold();
      for (const name of ["a", "b"]) {
        full = false;
        const vm = await make(service, deps, name);
        await service.start(vm.id, options());
        full = true;
        await service[end](vm.id, options());
        expect(world.dump()).toBe("");
        expect(deps.state.journal.open()).toEqual([]);
        expect(existsSync(join(dir, "reserve"))).toBe(true);
      }
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
});

describe("a daemon that is killed", () => {
  class Killed extends Error {}

  /** Runs `act` in a daemon that dies at the failpoint; nothing of its undo runs either. */
  async function dieAt(
    point: string,
    when: string,
    act: (service: VmService, deps: VmDeps, isDead: () => boolean) => Promise<unknown>,
  ) {
    let dead = false;
    const { deps, service } = daemon({
      ...(point.startsWith("template.") ? { templateQuietMs: 0 } : {}),
      failpoint: (step, at) => {
        if (step === point && at === when) dead = true;
        if (dead) throw new Killed();
      },
    });
    // A dead daemon writes no journal and no rows.
    const guard = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (object, key) => {
          const value: unknown = Reflect.get(object, key);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            if (dead) throw new Killed();
            return Reflect.apply(value, object, args);
          };
        },
      });
    Object.assign(deps, {
      state: { ...deps.state, vms: guard(deps.state.vms), journal: guard(deps.state.journal) },
    });
    Object.assign(deps, { driver: guard(deps.driver) });
    await act(service, deps, () => dead).catch(() => {});
    expect(dead).toBe(true);
  }

  for (const list of stepLists) {
    for (const step of list.list) {
      for (const when of ["before", "after"]) {
        test(`${when} ${list.name}.${step.name} is recovered from by the next one`, async () => {
          const bystander = daemon();
          const other = await make(bystander.service, bystander.deps, "bystander");
          await bystander.service.start(other.id, options());
          await dieAt(`${list.name}.${step.name}`, when, async (service, deps, isDead) => {
            const vm = await make(service, deps, "victim");
            await service.start(vm.id, options());
            if (list.name === "vm.set") await service.set(vm.id, { nat: true }, options());
            if (list.name === "vm.stop") await service.stop(vm.id, options());
            if (list.name === "vm.delete") await service.delete(vm.id, options());
            // Made in the background, a moment after the start.
            if (list.name === "template.make")
              for (let turn = 0; turn < 100 && !isDead(); turn += 1) await Bun.sleep(2);
          });
          const next = daemon();
          await reconcile(next.deps, next.service);
          expect(next.deps.state.journal.open()).toEqual([]);
          const survivors = next.service.list();
          expect(survivors.find((vm) => vm.id === other.id)?.state).toBe("running");
          // Whatever the victim is now, its row and the world agree.
          const victim = survivors.find((vm) => vm.name === "victim");
          const running = victim?.state === "running" ? [other.id, victim.id] : [other.id];
          expect(world.dump()).toBe(ofRunning(...running));
          for (const name of readdirSync(join(dir, "templates"))) expect(name).toMatch(/^[0-9a-f]{32}$/);
          expect(readdirSync(join(dir, "vms")).sort()).toEqual(survivors.map((vm) => vm.id as string).sort());
          if (victim !== undefined) await next.service.delete(victim.id, options());
          const again = await make(next.service, next.deps, "victim");
          await next.service.start(again.id, options());
          await next.service.delete(again.id, options());
          expect(next.service.list().map((vm) => vm.name as string)).toEqual(["bystander"]);
        });
      }
    }
  }

  test("loses its database, and the next one finds the VMs again by their directories", async () => {
    const first = daemon();
    const vm = await make(first.service, first.deps, "a");
    await first.service.start(vm.id, options());
    first.deps.state.close();
    open.pop();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(dir, `banger.db${suffix}`), { force: true });
    const next = daemon();
    await reconcile(next.deps, next.service);
    expect(next.service.find("a")).toMatchObject({ id: vm.id, state: "running" });
  });

  test("takes ephemeral VMs with it", async () => {
    const first = daemon();
    const vm = await make(first.service, first.deps, "a", true);
    await first.service.start(vm.id, options());
    const next = daemon();
    await reconcile(next.deps, next.service);
    expect(next.service.list()).toEqual([]);
    expect(leftovers()).toBe("");
  });

  test("leaves directories alone that are not named like a VM's", async () => {
    mkdirSync(join(dir, "vms", "my-notes"));
    mkdirSync(join(dir, "run", "something"));
    const { deps, service } = daemon();
    await reconcile(deps, service);
    expect(leftovers()).toBe("/vms/my-notes\n/run/something");
  });
});

describe("references", () => {
  const vms = [
    { id: "aabbccdd-0000-4000-8000-000000000000", name: "one" },
    { id: "aabb1111-0000-4000-8000-000000000000", name: "two" },
  ];
  test("name, id and unique prefix of an id are understood", () => {
    expect(resolveRef("one", vms).name).toBe("one");
    expect(resolveRef("aabb1111-0000-4000-8000-000000000000", vms).name).toBe("two");
    expect(resolveRef("aabb1", vms).name).toBe("two");
  });
  test("an ambiguous prefix names the candidates, an unknown one a near miss", () => {
    expect(() => resolveRef("aabb", vms)).toThrow("one (aabbccdd), two (aabb1111)");
    expect(() => resolveRef("twq", vms)).toThrow('there is no VM "twq"');
  });
});

test("a state that cannot be left by an event says so, with what to do", () => {
  const failure = (() => {
    try {
      transition({ name: VmName.parse("a"), state: "running" }, "start");
    } catch (error) {
      return error as BangerError;
    }
  })();
  expect(failure?.message).toBe("VM a is running");
  expect(failure?.hint).toContain("banger vm ssh a");
});

test("generated names are DNS labels and avoid those that are taken", () => {
  const first = generateName(new Set(), () => 0);
  expect(generateName(new Set([first]), () => 0)).not.toBe(first);
  expect(
    vmFiles({ vms: "/v", run: "/r", workTemplates: "/t", templates: "/w" }, newVmId()).runDir.length,
  ).toBe("/r/".length + 18);
});
