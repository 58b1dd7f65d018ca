/** The QEMU driver against the real QEMU: start, find again, watch, signal, end. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { identify, isAlive, type ProcessIdentity, signalProcess } from "../../src/sys/sys.ts";
import { qemuDriver } from "../../src/vmm/vmm.ts";
import { QemuFixture, qemuMissing } from "./qemu-fixture.ts";

let fixture: QemuFixture;
const foreigners: ProcessIdentity[] = [];
beforeEach(() => {
  fixture = new QemuFixture();
});
afterEach(async () => {
  for (const process of foreigners.splice(0)) signalProcess(process, 9);
  await fixture.close();
});

/** A process that is not banger's, but claims to be by its command line. */
function foreigner(argv: readonly string[]): ProcessIdentity {
  const child = spawn("perl", ["-e", "sleep 1000", "--", ...argv], { stdio: "ignore" });
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error("perl did not start");
  foreigners.push(identity);
  return identity;
}

describe.skipIf(qemuMissing !== undefined)("a machine", () => {
  test("runs in a session of its own, sandboxed, with no descriptor of ours and nothing of our environment", async () => {
    process.env.BANGER_TEST_SECRET = "leaked";
    const { process: machine } = await fixture.start(fixture.spec());
    delete process.env.BANGER_TEST_SECRET;
    const proc = (name: string) => readFileSync(`/proc/${machine.pid}/${name}`, "utf8");
    expect(proc("environ")).not.toContain("leaked");
    expect(proc("status")).toMatch(/^Seccomp:\s*2$/m);
    expect(proc("status")).toMatch(/^NoNewPrivs:\s*1$/m);
    const [, , pgrp, session] = proc("stat")
      .slice(proc("stat").lastIndexOf(")") + 2)
      .split(" ");
    expect([Number(pgrp), Number(session)]).toEqual([machine.pid, machine.pid]);
    // Files of the machine's own, its kernel objects, and the null device: nothing else.
    const targets = readdirSync(`/proc/${machine.pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${machine.pid}/fd/${fd}`)];
      } catch {
        // It was closed while we looked.
        return [];
      }
    });
    expect(targets.length).toBeGreaterThan(5);
    const foreign = targets.filter((path) => path.startsWith("/") && !path.startsWith(fixture.dir));
    expect([...new Set(foreign)].filter((path) => path !== "/dev/null" && path !== "/dev/urandom")).toEqual(
      [],
    );
  });

  test("is found by a daemon that has lost its memory, wherever its run directory is said to be", async () => {
    const spec = fixture.spec();
    const machine = await fixture.start(spec);
    const another = qemuDriver();
    expect(await another.find(spec.id, spec.runDir)).toEqual(machine);
    expect(await another.find(spec.id, "/elsewhere")).toEqual(machine);
    expect(await another.findIn(spec.runDir)).toEqual([machine]);
    expect(await another.alive(machine)).toBe(true);
    expect(await another.find("00000000-0000-4000-8000-000000000000", spec.runDir)).toBeUndefined();
  });

  test("that powers itself off ends the wait for it, and is gone", async () => {
    const spec = fixture.spec("powers off");
    const machine = await fixture.start(spec);
    await Promise.all([fixture.driver.exited(machine), fixture.driver.exited(machine)]);
    expect(await fixture.driver.alive(machine)).toBe(false);
    expect(await fixture.driver.find(spec.id, spec.runDir)).toBeUndefined();
    await fixture.driver.exited(machine);
    await fixture.driver.kill(machine);
  });

  test("is signalled, and the wait for it can be given up", async () => {
    const machine = await fixture.start(fixture.spec());
    await expect(fixture.driver.exited(machine, AbortSignal.timeout(50))).rejects.toThrow();
    expect(await fixture.driver.alive(machine)).toBe(true);
    await fixture.driver.signal(machine, 15);
    await fixture.driver.exited(machine);
    await fixture.driver.signal(machine, 15);
  });

  test("that is stopped by a signal can still be killed, and leaves nothing in its run directory", async () => {
    const spec = fixture.spec();
    const machine = await fixture.start(spec);
    await fixture.driver.signal(machine, 19);
    await fixture.driver.kill(machine);
    await fixture.driver.kill(machine);
    expect(readdirSync(spec.runDir)).toEqual([]);
  });

  test("whose console has flooded its log has the log cut while somebody watches it", async () => {
    const spec = fixture.spec();
    const machine = await fixture.start(spec);
    appendFileSync(spec.consoleLog, "a line of console\n".repeat(1024 * 1024));
    const watched = fixture.driver.exited(machine);
    expect(statSync(spec.consoleLog).size).toBeLessThan(2 * 1024 * 1024);
    appendFileSync(spec.consoleLog, "a line of console\n".repeat(1024 * 1024));
    const deadline = performance.now() + 5000;
    while (statSync(spec.consoleLog).size > 2 * 1024 * 1024 && performance.now() < deadline)
      await Bun.sleep(50);
    expect(statSync(spec.consoleLog).size).toBeLessThan(2 * 1024 * 1024);
    await fixture.driver.kill(machine);
    await watched;
  });

  test("cannot be started twice, neither one after the other nor at once", async () => {
    const spec = fixture.spec();
    const machine = await fixture.start(spec);
    await expect(fixture.driver.start(spec)).rejects.toMatchObject({ code: "precondition" });
    expect(await fixture.driver.find(spec.id, spec.runDir)).toEqual(machine);

    const racing = fixture.spec();
    const starts = await Promise.allSettled([1, 2, 3].map(() => fixture.start(racing)));
    expect(starts.filter((start) => start.status === "fulfilled")).toHaveLength(1);
    const [winner, ...others] = await fixture.driver.findIn(racing.runDir);
    expect(others).toEqual([]);
    if (winner === undefined) throw new Error("none of them runs");
    (await fixture.driver.agentStream(winner)).destroy();
    expect(existsSync(join(racing.runDir, "qmp.sock"))).toBe(true);
  });

  test("takes the disk of another one for itself alone", async () => {
    const [first, second] = [fixture.spec(), fixture.spec()];
    await fixture.start(first);
    await expect(fixture.start({ ...second, disks: first.disks })).rejects.toMatchObject({
      code: "guest_failed",
    });
    expect(await fixture.driver.findIn(second.runDir)).toEqual([]);
  });

  test("carries bytes for its guest's agent, one connection after another", async () => {
    const machine = await fixture.start(fixture.spec());
    for (let round = 0; round < 2; round += 1) {
      const stream = await fixture.driver.agentStream(machine);
      stream.destroy();
    }
    await fixture.driver.kill(machine);
    await expect(fixture.driver.agentStream(machine)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("lives in paths with commas, spaces, quotes and letters of any script", async () => {
    const odd = new QemuFixture(`,a b'c"=ü`);
    try {
      const spec = odd.spec();
      const machine = await odd.start(spec);
      expect(existsSync(spec.consoleLog)).toBe(true);
      (await odd.driver.agentStream(machine)).destroy();
      expect(await odd.driver.find(spec.id, spec.runDir)).toEqual(machine);
    } finally {
      await odd.close();
    }
  });
});

describe.skipIf(qemuMissing !== undefined)("a start that fails", () => {
  test("says what QEMU said, this time, and leaves no process and no file", async () => {
    const spec = fixture.spec();
    writeFileSync(spec.vmmLog, "an old complaint\n");
    const start = fixture.driver.start({ ...spec, kernel: join(fixture.dir, "missing") });
    await expect(start).rejects.toMatchObject({ code: "guest_failed" });
    const message = await start.catch((error: Error) => error.message);
    expect(message).toContain("could not open kernel file");
    expect(message).not.toContain("an old complaint");
    expect(readFileSync(spec.vmmLog, "utf8")).toStartWith("an old complaint\n");
    expect(readdirSync(spec.runDir)).toEqual([]);
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
  });

  test("because it was cancelled leaves no process and no file", async () => {
    for (const afterMs of [0, 5, 20, 60]) {
      const spec = fixture.spec();
      const start = fixture.start(spec, AbortSignal.timeout(afterMs));
      await start.catch((error: unknown) => expect(error).toMatchObject({ code: "cancelled" }));
      if (
        await start.then(
          () => true,
          () => false,
        )
      )
        continue;
      expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
      expect(readdirSync(spec.runDir)).toEqual([]);
    }
  });

  test("for want of a short path is refused before anything is started", async () => {
    const spec = fixture.spec();
    await expect(fixture.driver.start({ ...spec, runDir: `/${"x".repeat(120)}` })).rejects.toMatchObject({
      code: "bad_config",
    });
  });
});

describe.skipIf(qemuMissing !== undefined)("a foreign process", () => {
  test("whose number stands in a pid file is neither found nor hurt", async () => {
    const spec = fixture.spec();
    const other = foreigner([]);
    writeFileSync(join(spec.runDir, "qemu.pid"), `${other.pid}\n`);
    expect(await fixture.driver.find(spec.id, spec.runDir)).toBeUndefined();
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
    const machine = await fixture.start(spec);
    await fixture.driver.kill(machine);
    expect(isAlive(other)).toBe(true);
  });

  test("that mentions a machine's words in its arguments is not taken for it", async () => {
    const spec = fixture.spec();
    const other = foreigner([
      "qemu-system-x86_64",
      "-uuid",
      spec.id,
      "-pidfile",
      join(spec.runDir, "qemu.pid"),
    ]);
    expect(await fixture.driver.find(spec.id, spec.runDir)).toBeUndefined();
    expect(await fixture.driver.findIn(spec.runDir)).toEqual([]);
    expect(isAlive(other)).toBe(true);
  });

  test("that got an ended machine's number is neither signalled nor killed", async () => {
    const other = foreigner([]);
    const former = {
      driver: "qemu",
      process: { ...other, startTicks: other.startTicks - 1 },
      runDir: fixture.dir,
    };
    expect(await fixture.driver.alive(former)).toBe(false);
    await fixture.driver.exited(former);
    await fixture.driver.signal(former, 9);
    await fixture.driver.kill(former);
    expect(isAlive(other)).toBe(true);
  });
});
