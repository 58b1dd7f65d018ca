/** Saving a machine and going on from it, in the real QEMU around kernels of a few bytes. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../src/vmm/qemu/arguments.ts";
import { connectQmp } from "../../src/vmm/qemu/qmp.ts";
import type { MachineHandle, MachineSpec } from "../../src/vmm/vmm.ts";
import { QemuFixture, qemuMissing } from "./qemu-fixture.ts";
import { counterAddress } from "./tiny-kernel.ts";

/** Far more than a failing restore takes, far less than the driver's limit for a QEMU that says nothing. */
const boundMs = 10_000;

let fixture: QemuFixture;
beforeEach(() => {
  fixture = new QemuFixture();
});
afterEach(() => fixture.close());

interface Template {
  spec: MachineSpec;
  state: string;
  memory: string;
}

function counterIn(memory: string): number {
  const bytes = Buffer.alloc(4);
  readSync(openSync(memory, "r"), bytes, 0, 4, counterAddress);
  return bytes.readUInt32LE();
}

async function counts(memory: string): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (counterIn(memory) === 0 && performance.now() < deadline) await Bun.sleep(5);
  expect(counterIn(memory)).toBeGreaterThan(0);
}

/** A machine that counts in its memory, which is a file. */
async function counting(
  egress: MachineSpec["egress"] = "none",
): Promise<Template & { machine: MachineHandle }> {
  const spec = { ...fixture.spec("counts"), egress };
  const memory = join(spec.runDir, "../memory");
  const machine = await fixture.start({ ...spec, memory: { path: memory, use: "make" } });
  await counts(memory);
  return { spec, state: join(spec.runDir, "../state"), memory, machine };
}

async function template(egress?: MachineSpec["egress"]): Promise<Template> {
  const { machine, ...made } = await counting(egress);
  await fixture.driver.save(machine, made);
  await fixture.driver.kill(machine);
  return made;
}

function clone({ state, memory }: Template): MachineSpec {
  return { ...fixture.spec("counts"), memory: { path: memory, use: "map" }, restore: { state } };
}

/** What a stopped machine's counter is: read through QEMU, because it is in no file. */
async function stopAndRead(machine: MachineHandle): Promise<number> {
  const qmp = await connectQmp(runFiles(machine.runDir).qmp);
  const out = join(machine.runDir, "../counter");
  await qmp.execute("stop");
  await qmp.execute("pmemsave", { val: counterAddress, size: 4, filename: out });
  qmp.close();
  return readFileSync(out).readUInt32LE();
}

const digests = ({ state, memory }: Template) =>
  execFileSync("sha256sum", [state, memory], { encoding: "utf8" });

describe.skipIf(qemuMissing !== undefined)("a machine whose memory is a file", () => {
  test("goes on in clones, which share the file and see nothing of each other", async () => {
    const saved = await template();
    const before = digests(saved);
    const from = counterIn(saved.memory);
    expect(statSync(saved.state).mode & 0o777).toBe(0o600);
    expect(statSync(saved.memory).mode & 0o777).toBe(0o600);
    const first = await fixture.start(clone(saved));
    const second = await fixture.start(clone(saved));
    await Bun.sleep(100);
    const [one, two] = [await stopAndRead(first), await stopAndRead(second)];
    expect(one).toBeGreaterThan(from);
    expect(two).toBeGreaterThan(from);
    expect(one).not.toBe(two);
    expect(digests(saved)).toBe(before);
    for (const { process: machine } of [first, second]) {
      const maps = readFileSync(`/proc/${machine.pid}/maps`, "utf8").split("\n");
      const mapped = maps.filter((line) => line.endsWith(saved.memory));
      expect(mapped.length).toBeGreaterThan(0);
      for (const line of mapped) expect(line).toMatch(/^\S+ rw-p /);
    }
  });

  test("goes on with another egress than it had, and with NAT is kept from the host as ever", async () => {
    for (const [had, has] of [
      ["none", "nat"],
      ["nat", "none"],
    ] as const) {
      const machine = await fixture.start({ ...clone(await template(had)), egress: has });
      expect(await stopAndRead(machine)).toBeGreaterThan(0);
      const maps = readFileSync(`/proc/${machine.process.pid}/maps`, "utf8");
      expect(maps.includes("/egress.so")).toBe(has === "nat");
      expect(readFileSync(`/proc/${machine.process.pid}/status`, "utf8")).toMatch(/^Seccomp:\s*2$/m);
    }
  });

  test("that was restored is found, signalled and killed like any other, and leaves no file", async () => {
    const spec = clone(await template());
    const machine = await fixture.start(spec);
    expect(await fixture.driver.find(spec.id, spec.runDir)).toEqual(machine);
    await expect(fixture.driver.start(spec)).rejects.toMatchObject({ code: "precondition" });
    (await fixture.driver.agentStream(machine)).destroy();
    await fixture.driver.kill(machine);
    expect(readdirSync(spec.runDir)).toEqual([]);
  });

  test("does not overwrite a file that is there", async () => {
    const spec = fixture.spec();
    const memory = join(spec.runDir, "../memory");
    writeFileSync(memory, "precious");
    const start = fixture.driver.start({ ...spec, memory: { path: memory, use: "make" } });
    await expect(start).rejects.toThrow();
    expect(readFileSync(memory, "utf8")).toBe("precious");
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
  });
});

describe.skipIf(qemuMissing !== undefined)("a restore that cannot succeed", () => {
  /** It fails in time, with the code and the words, and leaves nothing. */
  async function fails(spec: MachineSpec, code: string, words: RegExp): Promise<void> {
    const started = performance.now();
    const error = await fixture.start(spec).then(
      () => "it started",
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
    expect(performance.now() - started).toBeLessThan(boundMs);
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
    expect(readdirSync(spec.runDir)).toEqual([]);
  }

  test("because the state is empty, cut off or no state says so, and leaves no process and no file", async () => {
    const saved = await template();
    const bytes = readFileSync(saved.state);
    const noise = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 251));
    const bad = [0, 3, 100, 5000, bytes.length >> 2, bytes.length >> 1].map((size) =>
      bytes.subarray(0, size),
    );
    for (const content of [...bad, noise]) {
      const state = join(fixture.dir, "bad");
      writeFileSync(state, content);
      await fails({ ...clone(saved), restore: { state } }, "guest_failed", /saved state.*: ./);
    }
  }, 120_000);

  test("because the state is of another machine says so", async () => {
    const saved = await template();
    const more = clone(saved);
    const disk = join(fixture.dir, "more");
    copyFileSync(more.disks[0]?.path ?? "", disk);
    const disks = [...more.disks, { path: disk, format: "raw", readOnly: false } as const];
    await fails({ ...more, disks }, "guest_failed", /saved state/);
    await fails({ ...clone(saved), vcpu: 2 }, "guest_failed", /saved state/);
  }, 60_000);

  test("because a file is missing, too short or no file is refused before anything is started", async () => {
    const saved = await template();
    const short = join(fixture.dir, "short");
    copyFileSync(saved.memory, short);
    truncateSync(short, statSync(short).size - 4096);
    mkdirSync(join(fixture.dir, "directory"));
    const absent = join(fixture.dir, "absent");
    const pipe = join(fixture.dir, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const state of [absent, join(fixture.dir, "directory"), pipe])
      await fails({ ...clone(saved), restore: { state } }, "corrupt", /^the saved /);
    for (const path of [absent, short, pipe])
      await fails({ ...clone(saved), memory: { path, use: "map" } }, "corrupt", /^the saved /);
    await fails({ ...clone(saved), memoryMiB: 64 }, "corrupt", /instead of/);
  });

  test("because it was cancelled leaves no process and no file", async () => {
    const saved = await template();
    for (const afterMs of [0, 20, 60, 100, 140, 180]) {
      const spec = clone(saved);
      const error = await fixture.start(spec, AbortSignal.timeout(afterMs)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (error === undefined) continue;
      expect(error).toMatchObject({ code: "cancelled" });
      expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
      expect(readdirSync(spec.runDir)).toEqual([]);
    }
  });
});

describe.skipIf(qemuMissing !== undefined)("a save that cannot succeed", () => {
  test("because the memory is another file, or none, is refused", async () => {
    const { machine, state, memory } = await counting();
    const other = `${memory}.other`;
    await expect(fixture.driver.save(machine, { state, memory: other })).rejects.toMatchObject({
      code: "precondition",
    });
    const plain = await fixture.start(fixture.spec());
    await expect(fixture.driver.save(plain, { state, memory })).rejects.toMatchObject({
      code: "precondition",
    });
    expect(existsSync(state)).toBe(false);
  });

  test("because it was cancelled leaves no state, and a machine that can be ended", async () => {
    let cancelled = 0;
    for (const afterMs of [0, 2, 5, 10, 15, 20, 25, 30]) {
      const { machine, spec, state, memory } = await counting();
      const error = await fixture.driver.save(machine, { state, memory }, AbortSignal.timeout(afterMs)).then(
        () => undefined,
        (error: unknown) => error,
      );
      // Nor does one appear a moment later.
      await Bun.sleep(20);
      expect(existsSync(state)).toBe(error === undefined);
      if (error !== undefined) {
        expect(error).toMatchObject({ code: "cancelled" });
        cancelled += 1;
      }
      await fixture.driver.kill(machine);
      expect(readdirSync(spec.runDir)).toEqual([]);
    }
    expect(cancelled).toBeGreaterThan(0);
  }, 60_000);

  test("because its daemon was killed leaves a machine that is found and ended", async () => {
    const { machine, spec, state, memory } = await counting();
    const program = `
      import { qemuDriver } from ${JSON.stringify(join(import.meta.dir, "../../src/vmm/vmm.ts"))};
      await qemuDriver().save(${JSON.stringify(machine)}, ${JSON.stringify({ state, memory })});`;
    const daemon = spawn(process.execPath, ["-e", program], { stdio: "inherit" });
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    while (!existsSync(state) && daemon.exitCode === null) await Bun.sleep(1);
    await Bun.sleep(5);
    daemon.kill("SIGKILL");
    await ended;
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([machine]);
    await fixture.driver.kill(machine);
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
    expect(readdirSync(spec.runDir)).toEqual([]);
  });
});
