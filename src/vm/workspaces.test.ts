/** Workspaces of new VMs, in a world of machines without a VMM, on disks that are real. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { VmName } from "../base/ids.ts";
import type { VmRecord } from "../state/state.ts";
import { LiveRoom, spec } from "./testing/live-room.ts";
import { tarOf } from "./testing/tar.ts";
import { vmFiles, WorkspaceFailed } from "./vm.ts";

let room: LiveRoom;
beforeEach(() => {
  room = new LiveRoom({ templateQuietMs: 0, templateIdleMs: 0 });
});
afterEach(() => room.close());

const guestPath = "/root/repo";

async function create(name: string): Promise<VmRecord> {
  const kind = { ephemeral: false, willStart: true, workspace: true, cold: false, spec };
  const source = await room.deps.bootSource("", "");
  return room.service.create({ ...kind, name: VmName.parse(name), source }, room.options(), () => {});
}

const receive = (vm: VmRecord, tar: Readable, path = guestPath) =>
  room.deps.workspaces.receive(vm, { guestPath: path, tar }, room.options().signal);

/** What debugfs finds on the VM's work disk. */
function onDisk({ id }: VmRecord, path: string): string {
  const { workDisk } = vmFiles(room.deps.paths, id);
  return execFileSync("debugfs", ["-R", `cat ${path}`, workDisk], { encoding: "utf8", stdio: "pipe" });
}

const dirOf = ({ id }: VmRecord) => vmFiles(room.deps.paths, id).dir;

describe("a new VM's workspace", () => {
  test("is on its work disk when the guest has it", async () => {
    const vm = await create("a");
    const [started, written] = await Promise.all([
      room.service.start(vm.id, room.options()),
      receive(vm, tarOf({ "README.md": "hello" })),
    ]);
    expect(started.state).toBe("running");
    expect(written).toEqual({ files: 1, bytes: 5 });
    expect(onDisk(vm, "/repo/README.md")).toBe("hello");
    expect(readdirSync(dirOf(vm)).filter((name) => name.startsWith("work"))).toEqual(["work.ext4"]);
    expect(
      execFileSync("e2fsck", ["-fn", vmFiles(room.deps.paths, vm.id).workDisk], { stdio: "pipe" }),
    ).toBeDefined();
  });

  test("is waited for, and no longer than anybody wants the VM", async () => {
    const vm = await create("a");
    const cancel = new AbortController();
    const start = room.service.start(vm.id, { signal: cancel.signal });
    await Bun.sleep(50);
    cancel.abort();
    expect(start).rejects.toMatchObject({ code: "cancelled" });
    await start.catch(() => {});
    expect(room.world.dump()).toBe("");
  });

  test("is put in place by the next start, when the first one failed before", async () => {
    room.world.refusesStart = true;
    const vm = await create("a");
    const written = receive(vm, tarOf({ "README.md": "hello" }));
    await written;
    await expect(room.service.start(vm.id, room.options())).rejects.toThrow("the machine does not start");
    room.world.refusesStart = false;
    await room.service.start(vm.id, room.options());
    expect(onDisk(vm, "/repo/README.md")).toBe("hello");
  });

  test("that is still on its way when its VM's start fails is given up", async () => {
    room.world.refusesStart = true;
    const vm = await create("a");
    const written = receive(vm, new PassThrough());
    written.catch(() => {});
    await expect(room.service.start(vm.id, room.options())).rejects.toThrow("the machine does not start");
    await expect(written).rejects.toMatchObject({ code: "cancelled" });
    expect(readdirSync(dirOf(vm)).filter((name) => name.startsWith("work"))).toEqual(["work.ext4"]);
  });

  test("that is cut off fails its start, and leaves the disk empty", async () => {
    const vm = await create("a");
    const whole = await Array.fromAsync(tarOf({ big: "x".repeat(100_000) }));
    const half = Readable.from([Buffer.concat(whole as Buffer[]).subarray(0, 60_000)]);
    const start = room.service.start(vm.id, room.options());
    start.catch(() => {});
    await expect(receive(vm, half)).rejects.toThrow(/cut off|ends|truncated/);
    await expect(start).rejects.toThrow();
    expect(onDisk(vm, "/repo/big")).toBe("");
    expect(existsSync(vmFiles(room.deps.paths, vm.id).filledWorkDisk)).toBe(false);
  });

  test("that does not fit says so, and how much room there is", async () => {
    const vm = await create("a");
    const start = room.service.start(vm.id, room.options());
    start.catch(() => {});
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString("latin1");
    await expect(receive(vm, tarOf({ big: random.repeat(1200) }))).rejects.toMatchObject({
      code: "no_space",
    });
    await expect(start).rejects.toBeInstanceOf(WorkspaceFailed);
  });

  test("goes below /root, where the work disk is", async () => {
    const vm = await create("a");
    const start = room.service.start(vm.id, room.options());
    start.catch(() => {});
    for (const path of ["/srv/repo", "/root", "/root/../etc"])
      await expect(receive(vm, tarOf({}), path)).rejects.toMatchObject({ code: "bad_request" });
    await start.catch(() => {});
  });

  test("that cannot be had takes no template with it", async () => {
    await room.start("first");
    for (let turn = 0; turn < 1000 && (room.service.maker.busy || turn < 10); turn += 1) await Bun.sleep(2);
    const vm = await create("a");
    const start = room.service.start(vm.id, room.options());
    start.catch(() => {});
    await expect(receive(vm, Readable.from([Buffer.alloc(512, 1)]))).rejects.toMatchObject({
      code: "corrupt",
    });
    await expect(start).rejects.toBeInstanceOf(WorkspaceFailed);
    expect((await room.deps.templates?.list())?.length).toBe(1);
    expect(room.world.started.filter(({ id }) => id === vm.id).length).toBe(1);
  });

  test("is there after a boot, when the guest that goes on does not give its work disk back", async () => {
    await room.start("first");
    for (let turn = 0; turn < 1000 && (room.service.maker.busy || turn < 10); turn += 1) await Bun.sleep(2);
    const keys = async () => (await room.deps.templates?.list())?.map(({ id }) => id);
    const before = await keys();
    expect(before?.length).toBe(1);
    room.world.workDiskInUse = true;
    const vm = await create("a");
    const [started] = await Promise.all([
      room.service.start(vm.id, room.options()),
      receive(vm, tarOf({ "README.md": "hello" })),
    ]);
    expect(started).toMatchObject({ state: "running", start: { how: "cold", why: "failed" } });
    expect(room.warned).toEqual([expect.stringContaining("the work disk is in use: the VM boots")]);
    expect(onDisk(vm, "/repo/README.md")).toBe("hello");
    expect(await keys()).toEqual(before);
  });
});
