/** A removal that is answered, and goes on. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { BangerError } from "../base/base.ts";
import { Daemons, make, ofRunning, options } from "./testing/daemons.ts";

let room: Daemons;

beforeEach(() => {
  room = new Daemons();
});
afterEach(() => room.close());

/** A VM that runs, whose removal stands still before its network goes until `go` is called. */
async function leaving({ ephemeral }: { ephemeral: boolean }) {
  const hold = Promise.withResolvers<void>();
  const { deps, service } = room.daemon();
  const { disconnect } = deps.devices;
  deps.devices.disconnect = async (id) => {
    await hold.promise;
    return disconnect(id);
  };
  const { id } = await make(service, deps, "brief", { ephemeral });
  await service.start(id, options());
  expect(room.world.dump()).toBe(ofRunning(id));
  return { deps, service, id, go: hold.resolve };
}

test("an ephemeral VM's is answered at once, and who asks after VMs waits for it", async () => {
  const { deps, service, id, go } = await leaving({ ephemeral: true });
  await service.deleteSoon(id, options());
  expect(service.list()).toHaveLength(1);
  const reached = service.reach("brief", options());
  reached.catch(() => {});
  const settled = service.leaving.gone().then(() => service.list());
  expect(await Promise.race([settled, Bun.sleep(20).then(() => "waits")])).toBe("waits");
  go();
  expect(await settled).toEqual([]);
  await expect(reached).rejects.toMatchObject({ code: "not_found" });
  expect(room.leftovers()).toBe("");
  expect(deps.state.journal.open()).toEqual([]);
});

test("another VM's is answered when all of it is gone", async () => {
  const { service, id, go } = await leaving({ ephemeral: false });
  const answered = service.deleteSoon(id, options()).then(() => service.list());
  expect(await Promise.race([answered, Bun.sleep(20).then(() => "waits")])).toBe("waits");
  go();
  expect(await answered).toEqual([]);
});

test("waiting for it can be given up", async () => {
  const { service, id, go } = await leaving({ ephemeral: true });
  await service.deleteSoon(id, options());
  const impatient = new AbortController();
  const waiting = service.leaving.gone(impatient.signal);
  impatient.abort();
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  await expect(service.leaving.gone(impatient.signal)).rejects.toMatchObject({ code: "cancelled" });
  go();
  await service.leaving.gone();
  expect([service.list(), service.leaving.any]).toEqual([[], false]);
});

test("its failure is kept in the row, and deleting once more finishes it", async () => {
  const { deps, service, id, go } = await leaving({ ephemeral: true });
  deps.failpoint = (step, when) => {
    if (step === "vm.delete.vm_directory" && when === "before")
      throw new BangerError("operation_failed", "the disk is gone");
  };
  await service.deleteSoon(id, options());
  go();
  await service.leaving.gone();
  expect(service.find("brief")).toMatchObject({ state: "error", lastError: "not deleted: the disk is gone" });
  deps.failpoint = undefined;
  await service.delete(id, options());
  expect(service.list()).toEqual([]);
  expect(room.leftovers()).toBe("");
  expect(deps.state.journal.open()).toEqual([]);
});

test("a daemon that is told to end finishes it first", async () => {
  const { service, id, go } = await leaving({ ephemeral: true });
  await service.deleteSoon(id, options());
  go();
  await service.close();
  expect(room.leftovers()).toBe("");
});
