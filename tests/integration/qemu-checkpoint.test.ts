/** Memory, state and disks of a machine that runs on, in the real QEMU around a kernel of a few bytes. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptyOverlay } from "../../src/disk/qcow2.ts";
import { runFiles } from "../../src/vmm/qemu/arguments.ts";
import { readMemory } from "../../src/vmm/qemu/memory.ts";
import { connectQmp } from "../../src/vmm/qemu/qmp.ts";
import type { MachineHandle, MachineSpec } from "../../src/vmm/vmm.ts";
import { QemuFixture, qemuMissing } from "./qemu-fixture.ts";
import { counterAddress } from "./tiny-kernel.ts";

setDefaultTimeout(60_000);
let fixture: QemuFixture;
beforeEach(() => {
  fixture = new QemuFixture();
});
afterEach(() => fixture.close());

/** A counter of a machine that runs on meanwhile. */
async function counter(machine: MachineHandle): Promise<number> {
  const qmp = await connectQmp(runFiles(machine.runDir).qmp);
  const out = join(machine.runDir, "../counter");
  await qmp.execute("pmemsave", { val: counterAddress, size: 4, filename: out });
  qmp.close();
  return readFileSync(out).readUInt32LE();
}

async function ask(machine: MachineHandle, command: string): Promise<unknown> {
  const qmp = await connectQmp(runFiles(machine.runDir).qmp);
  return qmp.execute(command).finally(() => qmp.close());
}

/** By this process so far, from caches too (rchar in proc(5)). */
const bytesRead = () => Number(/^rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

const status = (machine: MachineHandle) => ask(machine, "query-status");

async function counts(machine: MachineHandle): Promise<void> {
  const before = await counter(machine);
  for (let turn = 0; turn < 400 && (await counter(machine)) === before; turn += 1) await Bun.sleep(5);
  const is = async () => JSON.stringify([await status(machine), await ask(machine, "query-migrate")]);
  if ((await counter(machine)) === before) throw new Error(`it does not count: ${await is()}`);
}

/** Where a checkpoint of a machine with this spec goes, and the layers that it goes on in. */
function request(spec: MachineSpec) {
  const dir = join(fixture.dir, randomUUID().slice(0, 8));
  const runDir = join(dir, "run");
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const layers = spec.disks.map(({ path, format }, index) => {
    const layer = join(dir, `layer-${index}`);
    writeFileSync(layer, emptyOverlay(path, 1 << 20, format));
    return layer;
  });
  const own = { runDir, consoleLog: join(runDir, "console.log"), vmmLog: join(dir, "vmm.log") };
  const receiver = { ...spec, ...own, id: randomUUID() };
  return { receiver, layers, to: { state: join(dir, "state"), memory: join(dir, "memory") } };
}

async function running(): Promise<{ spec: MachineSpec; machine: MachineHandle }> {
  const spec = fixture.spec("counts");
  const machine = await fixture.start(spec);
  await counts(machine);
  return { spec, machine };
}

function fork(spec: MachineSpec, { to }: ReturnType<typeof request>): MachineSpec {
  const { disks } = fixture.spec("counts");
  return {
    ...fixture.spec("counts"),
    disks: disks.slice(0, spec.disks.length),
    memory: { path: to.memory, use: "map" },
    restore: { state: to.state, halted: true },
  };
}

describe.skipIf(qemuMissing !== undefined)("a checkpoint of a machine that runs", () => {
  test("is gone on from by others while it runs on, in layers over its disks", async () => {
    const { spec, machine } = await running();
    const made = request(spec);
    const { haltedMs } = await fixture.driver.checkpoint(machine, made);
    expect(haltedMs).toBeLessThan(5_000);
    await counts(machine);
    expect(JSON.stringify(await ask(machine, "query-block"))).toContain(made.layers[0] ?? "none");
    expect(statSync(made.to.state).mode & 0o777).toBe(0o600);
    expect(statSync(made.to.memory).size).toBe(spec.memoryMiB << 20);
    // Nothing of the machine that took the memory is left.
    expect(readdirSync(made.receiver.runDir).filter((name) => /sock|pid/.test(name))).toEqual([]);
    const first = await fixture.start(fork(spec, made));
    const second = await fixture.start(fork(spec, made));
    for (const each of [first, second, machine]) await counts(each);
  });

  test("can be taken again, of it and of one that went on from it", async () => {
    const { spec, machine } = await running();
    const made = request(spec);
    await fixture.driver.checkpoint(machine, made);
    const disks = made.layers.map((path) => ({ path, format: "qcow2" as const, readOnly: false }));
    const again = request({ ...spec, disks });
    await fixture.driver.checkpoint(machine, again);
    const child = fork(spec, made);
    const forked = await fixture.start(child);
    const grandchild = request(child);
    await fixture.driver.checkpoint(forked, grandchild);
    for (const each of [await fixture.start(fork(spec, again)), await fixture.start(fork(child, grandchild))])
      await counts(each);
    for (const each of [machine, forked]) await counts(each);
  });

  test("has looked at all of a saved memory before the machine is halted, also when its file has no name any more", async () => {
    const { spec, machine } = await running();
    const made = request(spec);
    await fixture.driver.checkpoint(machine, made);
    const forked = await fixture.start(fork(spec, made));
    rmSync(made.to.memory);
    const before = bytesRead();
    await readMemory(forked, new AbortController().signal);
    expect(bytesRead() - before).toBeGreaterThanOrEqual(spec.memoryMiB << 20);
    // One that booted has memory without a file.
    await readMemory(machine, new AbortController().signal);
    await expect(readMemory(forked, AbortSignal.abort(new Error("not now")))).rejects.toThrow("not now");
  });

  test("leaves one that was paused as it was, as often as it is taken", async () => {
    const { spec, machine } = await running();
    await fixture.driver.pause?.(machine);
    const made = request(spec);
    await fixture.driver.checkpoint(machine, made);
    expect(await status(machine)).toMatchObject({ running: false });
    const disks = made.layers.map((path) => ({ path, format: "qcow2" as const, readOnly: false }));
    const again = request({ ...spec, disks });
    await fixture.driver.checkpoint(machine, again);
    expect(await status(machine)).toMatchObject({ running: false });
    for (const each of [made, again]) await counts(await fixture.start(fork(spec, each)));
    await fixture.driver.resume?.(machine);
    await counts(machine);
  });

  test("that is cancelled, at whatever moment, leaves it running and nothing of the rest", async () => {
    const { spec, machine } = await running();
    let disks = spec.disks;
    for (let afterMs = 0; afterMs < 500; afterMs += 45) {
      const made = request({ ...spec, disks });
      const error = await fixture.driver.checkpoint(machine, made, AbortSignal.timeout(afterMs)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error !== undefined) expect(error).toMatchObject({ code: "cancelled" });
      await counts(machine);
      expect(await fixture.driver.findIn(made.receiver.runDir)).toEqual([]);
      expect(existsSync(made.to.state)).toBe(error === undefined);
      if (JSON.stringify(await ask(machine, "query-block")).includes(made.layers[0] ?? "none"))
        disks = made.layers.map((path) => ({ path, format: "qcow2" as const, readOnly: false }));
    }
  });

  test("whose daemon is killed, at whatever moment, leaves a machine that can be told to go on", async () => {
    const { spec, machine } = await running();
    let disks = spec.disks;
    for (let afterMs = 50; afterMs < 700; afterMs += 90) {
      const made = request({ ...spec, disks });
      const program = `
        import { qemuDriver } from ${JSON.stringify(join(import.meta.dir, "../../src/vmm/vmm.ts"))};
        await qemuDriver().checkpoint(${JSON.stringify(machine)}, ${JSON.stringify(made)});`;
      const daemon = spawn(process.execPath, ["-e", program], { stdio: "inherit" });
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      while (!existsSync(made.to.memory) && daemon.exitCode === null) await Bun.sleep(1);
      await Bun.sleep(afterMs);
      daemon.kill("SIGKILL");
      await ended;
      // What the next daemon does: it ends the machine that belongs to no VM, and has the VM's go on.
      for (const left of await fixture.driver.findIn(made.receiver.runDir)) await fixture.driver.kill(left);
      await fixture.driver.resume?.(machine);
      await counts(machine);
      if (JSON.stringify(await ask(machine, "query-block")).includes(made.layers[0] ?? "none"))
        disks = made.layers.map((path) => ({ path, format: "qcow2" as const, readOnly: false }));
    }
    await fixture.driver.checkpoint(machine, request({ ...spec, disks }));
    await counts(machine);
  });

  test("that fails because a layer is none leaves it running", async () => {
    const { spec, machine } = await running();
    const made = request(spec);
    await expect(
      fixture.driver.checkpoint(machine, { ...made, layers: [join(fixture.dir, "none")] }),
    ).rejects.toThrow("QEMU refused blockdev-add");
    await counts(machine);
    await fixture.driver.checkpoint(machine, request(spec));
    await counts(machine);
  });
});
