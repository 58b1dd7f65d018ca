/** VMs on a host whose disk is full: they can be started, stopped and deleted all the same. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { VmDeps } from "./deps.ts";
import { Daemons, make, options } from "./testing/daemons.ts";
import { vmFiles } from "./vm.ts";

let room: Daemons;
beforeEach(() => {
  room = new Daemons();
});
afterEach(() => room.close());
const daemon = (change: Partial<VmDeps> = {}) => room.daemon(change);

describe("on a full disk", () => {
  test("a VM is written down beside its disks where that was written before", async () => {
    const { deps, service } = daemon();
    const { id } = await make(service, deps, "calm-otter");
    const { mirror } = vmFiles(deps.paths, id);
    for (const [state, act] of [
      ["running", service.start],
      ["stopped", service.stop],
    ] as const) {
      // What is written into it fails with ENOSPC.
      symlinkSync("/dev/full", `${mirror}.new`);
      await act.call(service, id, options());
      expect(JSON.parse(readFileSync(mirror, "utf8"))).toEqual({ ...service.find("calm-otter"), state });
    }
    expect(existsSync(`${mirror}.new`)).toBe(false);
  });

  for (const end of ["stop", "delete"] as const) {
    test(`there is room enough to ${end} a VM, once more and again`, async () => {
      let full = false;
      const { deps, service } = daemon({
        failpoint: (step) => {
          // The reserve is what makes room: while it is there, a full disk takes nothing more.
          if (full && step.startsWith(`vm.${end}.`) && existsSync(join(room.dir, "reserve")))
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
        expect(room.world.dump()).toBe("");
        expect(deps.state.journal.open()).toEqual([]);
        expect(existsSync(join(room.dir, "reserve"))).toBe(true);
      }
    });
  }
});
