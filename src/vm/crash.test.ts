/** Daemons that are killed at every step of every list, and what their successors make of it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { copying, layered, type MachineWorld, type WorldManner } from "../../tests/fakes/machines.ts";
import { type VmId, VmName } from "../base/ids.ts";
import type { VmDeps } from "./deps.ts";
import { Daemons, make, ofRunning, options } from "./testing/daemons.ts";
import { tarOf } from "./testing/tar.ts";
import { reconcile, stepLists, type VmService, vmFiles } from "./vm.ts";

let room: Daemons;
let dir: string;
let world: MachineWorld;

const begin = (manner?: WorldManner) => {
  room = new Daemons(manner);
  ({ dir, world } = room);
};
beforeEach(() => begin());
afterEach(() => room.close());
const daemon = (change: Partial<VmDeps> = {}) => room.daemon(change);

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
      ...(/^(template\.make|vm\.spare)\./.test(point) ? { templateQuietMs: 0 } : {}),
      ...(point.startsWith("vm.spare.") ? { spare: true, spareQuietMs: 0 } : {}),
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

  /** What a machine is saved for is gone through with both kinds of drivers; all else is the same with either. */
  const swept = stepLists.flatMap((list) => {
    const saves = /^vm\.(checkpoint|fork|snapshot|prepare|restore|suspend|suspended)$/.test(list.name);
    return (saves ? [layered, copying] : [layered]).map((manner) => ({ list, manner }));
  });
  for (const { list, manner } of swept) {
    for (const step of list.list) {
      for (const when of ["before", "after"]) {
        const by = manner === copying ? " (copies)" : "";
        test(`${when} ${list.name}.${step.name}${by} is recovered from by the next one`, async () => {
          room.close();
          begin(manner);
          const bystander = daemon();
          const other = await make(bystander.service, bystander.deps, "bystander");
          await bystander.service.start(other.id, options());
          await dieAt(`${list.name}.${step.name}`, when, async (service, deps, isDead) => {
            const vm = await make(service, deps, "victim");
            await service.start(vm.id, options());
            if (list.name === "vm.set") await service.set(vm.id, { nat: true }, options());
            if (list.name === "vm.pause" || list.name === "vm.resume")
              await service.live.pause(vm.id, options());
            if (list.name === "vm.resume") await service.live.resume(vm.id, options());
            if (list.name === "vm.checkpoint" || list.name === "vm.fork")
              await service.live.fork(vm.id, { name: undefined, count: 2 }, options());
            if (/^vm\.(snapshot|prepare|restore)$/.test(list.name))
              await service.live.snapshot(vm.id, "kept", options());
            if (list.name === "vm.prepare" || list.name === "vm.restore")
              await service.live.restore(vm.id, "kept", options());
            if (list.name === "vm.suspend" || list.name === "vm.suspended")
              await service.live.suspend(vm.id, options());
            if (list.name === "vm.stop") await service.stop(vm.id, options());
            if (list.name === "vm.delete") await service.delete(vm.id, options());
            // Made in the background, a moment after the start.
            if (list.name !== "template.make" && list.name !== "vm.spare") return;
            const waits = () => service.spares.template !== undefined;
            for (let turn = 0; turn < 200 && !isDead() && !waits(); turn += 1) await Bun.sleep(2);
            if (!waits()) return;
            const taker = await make(service, deps, "taker");
            await service.start(taker.id, options());
          });
          const next = daemon();
          await reconcile(next.deps, next.service);
          expect(next.deps.state.journal.open()).toEqual([]);
          const survivors = next.service.list();
          expect(survivors.find((vm) => vm.id === other.id)?.state).toBe("running");
          // Whatever the victim is now, its row and the world agree.
          const victim = survivors.find((vm) => vm.name === "victim");
          const running = survivors.filter((vm) => vm.machine !== null).map((vm) => vm.id);
          const paused = victim?.state === "paused" ? [victim.id] : [];
          expect(world.dump()).toBe(ofRunning(...running));
          expect(world.paused()).toEqual(paused);
          for (const name of readdirSync(join(dir, "templates"))) expect(name).toMatch(/^[0-9a-f]{32}$/);
          expect(readdirSync(join(dir, "vms")).sort()).toEqual(survivors.map((vm) => vm.id as string).sort());
          for (const { id } of survivors) if (id !== other.id) await next.service.delete(id, options());
          expect(existsSync(join(dir, "checkpoints")) ? readdirSync(join(dir, "checkpoints")) : []).toEqual(
            [],
          );
          const again = await make(next.service, next.deps, "victim");
          await next.service.start(again.id, options());
          await next.service.delete(again.id, options());
          expect(next.service.list().map((vm) => vm.name as string)).toEqual(["bystander"]);
        });
      }
    }
  }

  for (const when of ["before", "after"]) {
    test(`${when} a workspace is put in place leaves a VM that has it`, async () => {
      await dieAt("vm.start.workspace", when, async (service, deps) => {
        const vm = await make(service, deps, "victim", { workspace: true });
        const arrival = { guestPath: "/root/repo", tar: tarOf({ kept: "whole" }) };
        await deps.workspaces.receive(vm, arrival, options().signal);
        await service.start(vm.id, options());
      });
      const next = daemon();
      await reconcile(next.deps, next.service);
      const [victim] = next.service.list();
      const { workDisk, filledWorkDisk } = vmFiles(next.deps.paths, victim?.id as VmId);
      expect(existsSync(filledWorkDisk)).toBe(false);
      expect(execFileSync("debugfs", ["-R", "cat /repo/kept", workDisk], { stdio: "pipe" }).toString()).toBe(
        "whole",
      );
    });
  }

  test("by a power cut keeps what was acknowledged, though not what was written last", async () => {
    const first = daemon();
    const { journal } = first.deps.state;
    // What was not synced is known to the first daemon alone.
    const unsynced = new Set<string>();
    const losing = {
      ...journal,
      end: (run: string, lasting?: boolean) =>
        lasting === true ? journal.end(run, true) : void unsynced.add(run),
      open: () => journal.open().filter(({ run }) => !unsynced.has(run)),
    };
    Object.assign(first.deps, { state: { ...first.deps.state, journal: losing } });
    const vm = await make(first.service, first.deps, "a");
    await first.service.start(vm.id, options());
    const { vms } = await first.service.live.fork(vm.id, { name: VmName.parse("b"), count: 1 }, options());
    await first.service.live.suspend(vm.id, options());
    for (const { id } of [vm, ...vms]) world.crash(id);
    const next = daemon();
    await reconcile(next.deps, next.service);
    expect(next.service.list().map(({ name, state }) => `${name} ${state}`)).toEqual([
      "a suspended",
      "b stopped",
    ]);
  });

  test("loses its database, and the next one finds the VMs again by their directories", async () => {
    const first = daemon();
    const vm = await make(first.service, first.deps, "a");
    await first.service.start(vm.id, options());
    room.loseDatabase();
    const next = daemon();
    await reconcile(next.deps, next.service);
    expect(next.service.find("a")).toMatchObject({ id: vm.id, state: "running" });
  });

  test("takes ephemeral VMs with it", async () => {
    const first = daemon();
    const vm = await make(first.service, first.deps, "a", { ephemeral: true });
    await first.service.start(vm.id, options());
    const next = daemon();
    await reconcile(next.deps, next.service);
    expect(next.service.list()).toEqual([]);
    expect(room.leftovers()).toBe("");
  });

  test("leaves directories alone that are not named like a VM's", async () => {
    mkdirSync(join(dir, "vms", "my-notes"));
    mkdirSync(join(dir, "run", "something"));
    const { deps, service } = daemon();
    await reconcile(deps, service);
    expect(room.leftovers()).toBe("/vms/my-notes\n/run/something");
  });
});
