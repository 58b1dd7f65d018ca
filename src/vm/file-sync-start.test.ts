/** When a VM gets what file_sync brings: once, at its first start, however that goes, before it is told who it is. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MachineWorld } from "../../tests/fakes/machines.ts";
import { VmName } from "../base/ids.ts";
import type { VmRecord } from "../state/state.ts";
import { readArchive } from "../tar/testing/archive.ts";
import type { VmDeps } from "./deps.ts";
import { Daemons, options, spec } from "./testing/daemons.ts";
import { type VmService, vmFiles } from "./vm.ts";

let room: Daemons;
let world: MachineWorld;
let deps: VmDeps;
let service: VmService;
let home: string;

beforeEach(() => {
  room = new Daemons();
  world = room.world;
  home = join(room.dir, "home");
  mkdirSync(home);
  writeFileSync(join(home, "rc"), "one");
  const entries = [{ shown: "~/rc", host: join(home, "rc"), guest: ".rc", mode: 0o600 }];
  ({ deps, service } = room.daemon({
    ...{ templateQuietMs: 0, spareQuietMs: 0, spare: true },
    fileSync: { home, entries },
  }));
});
afterEach(async () => {
  await service.close();
  room.close();
});

async function create(name: string, bare = false): Promise<VmRecord> {
  const kind = { bare, ephemeral: false, willStart: true, workspace: false, cold: false, spec };
  const input = { ...kind, name: VmName.parse(name), source: await deps.bootSource("", "") };
  return service.create(input, options(), () => {});
}

const start = async (name: string) => service.start((await create(name)).id, options());
/** Paths and contents, and who had been told who they are. A guest that becomes a template rehearses with a tree of its own. */
const sent = () =>
  world.unpacked
    .filter(({ root }) => root === "/root")
    .map(({ root, archive, personsBefore }) => [
      ...[root, ...readArchive(archive).map((entry) => `${entry.path}=${entry.content}`)],
      personsBefore,
    ]);
const waits = ({ id }: Pick<VmRecord, "id">) => existsSync(vmFiles(deps.paths, id).fileSync);

describe("file_sync", () => {
  test("is there before the guest is told who it is, and only at the first start", async () => {
    const vm = await start("a");
    expect(sent()).toEqual([["/root", ".rc=one", 0]]);
    expect(waits(vm)).toBe(false);
    await service.restart(vm.id, options());
    expect(sent().length).toBe(1);
  });

  test("is what the files were when the VM was made", async () => {
    const { id } = await create("a");
    writeFileSync(join(home, "rc"), "two");
    await service.start(id, options());
    expect(sent()).toEqual([["/root", ".rc=one", 0]]);
  });

  test("comes to a VM that takes the guest that waited, and never to that guest itself", async () => {
    await start("a");
    for (let turn = 0; turn < 1000 && service.spares.template === undefined; turn += 1) await Bun.sleep(2);
    expect(sent().length).toBe(1);
    writeFileSync(join(home, "rc"), "two");
    const rehearsed = world.persons.length;
    const vm = await start("b");
    expect(vm.start).toMatchObject({ how: "warm" });
    expect(sent().slice(1)).toEqual([["/root", ".rc=two", rehearsed]]);
    expect(world.persons.length).toBe(rehearsed + 1);
  });

  test("comes to no VM that becomes an image", async () => {
    const { id } = await create("a", true);
    await service.start(id, options());
    expect(sent()).toEqual([]);
  });

  test("that cannot be put in place fails the start in words, and comes again with the next", async () => {
    world.unpackFails = true;
    const vm = await create("a");
    expect(service.start(vm.id, options())).rejects.toThrow("file_sync: a link is in the way");
    await service.start(vm.id, options()).catch(() => {});
    expect(waits(vm)).toBe(true);
    world.unpackFails = false;
    await service.start(vm.id, options());
    expect(sent().length).toBe(1);
    expect(waits(vm)).toBe(false);
  });

  test("that cannot be read makes no VM, and leaves nothing", async () => {
    rmSync(join(home, "rc"));
    mkdirSync(join(home, "rc"));
    writeFileSync(join(home, "rc/large"), "");
    const failing = room.daemon({
      fileSync: {
        home: join(home, "rc"),
        entries: [{ shown: "x", host: "/etc/hostname", guest: "x", mode: 0o600 }],
      },
    });
    ({ deps, service } = failing);
    expect(create("a")).rejects.toThrow("outside of");
    await create("a").catch(() => {});
    expect(service.list()).toEqual([]);
    expect(room.leftovers()).toBe("");
  });
});
