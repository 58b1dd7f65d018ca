/** The driver's own part: what it asks of a jailer and of the API, and what it leaves. The processes are mere sleepers. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { isAlive } from "../../sys/sys.ts";
import type { MachineSpec, VmmDriver } from "../vmm.ts";
import { firecrackerDriver } from "./driver.ts";
import { FakeJailer, vmId as id, kill, specIn } from "./testing/fake-jailer.ts";

let dir: string;
let jailer: FakeJailer;
let driver: VmmDriver;
let spec: MachineSpec;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-fcd-"));
  jailer = new FakeJailer();
  driver = firecrackerDriver({
    programs: ["/nowhere"],
    jailer,
    look: async () => ({ driver: "firecracker", usable: true, acceleration: "kvm", version: "1.12.1" }),
  });
  spec = specIn(dir);
});
afterEach(async () => {
  await jailer.close();
  rmSync(dir, { recursive: true });
});

describe("a start", () => {
  test("tells the API everything, then starts, and makes the logs that Firecracker only opens", async () => {
    const machine = await driver.start(spec);
    expect(machine).toMatchObject({ driver: "firecracker", runDir: spec.runDir });
    expect(jailer.heard.at(-1)).toBe("PUT /actions");
    expect(jailer.heard.slice(0, -1).sort()).toEqual([
      "PUT /boot-source",
      "PUT /drives/disk0",
      "PUT /entropy",
      "PUT /logger",
      "PUT /machine-config",
      "PUT /metrics",
      "PUT /vsock",
    ]);
    for (const name of ["firecracker.log", "metrics.json"])
      expect(statSync(join(spec.runDir, "jail", name)).mode & 0o777).toBe(0o600);
  });

  test("that Firecracker refuses says why, in its words and those of its log, and leaves nothing", async () => {
    jailer.answers["/boot-source"] = () =>
      Response.json({ fault_message: "the kernel is no ELF" }, { status: 400 });
    jailer.answers["/entropy"] = () => {
      const line = "2026-11-23T10:00:00.1 [x:main:ERROR] it broke\n";
      writeFileSync(join(spec.runDir, "jail/firecracker.log"), line);
      return new Response(null, { status: 204 });
    };
    await expect(driver.start(spec)).rejects.toMatchObject({
      code: "guest_failed",
      message: "Firecracker refused PUT /boot-source: the kernel is no ELF: it broke",
    });
    expect(jailer.heard).not.toContain("PUT /actions");
    expect(jailer.ended).toEqual([id]);
    expect(await driver.find(id, spec.runDir)).toBeUndefined();
  });

  test("for which the host has no memory says so", async () => {
    jailer.answers["/actions"] = () =>
      Response.json({ fault_message: "Cannot allocate memory (os error 12)" }, { status: 400 });
    await expect(driver.start(spec)).rejects.toMatchObject({ code: "no_space" });
  });

  test("that is given up ends what it has begun", async () => {
    const over = new AbortController();
    jailer.answers["/machine-config"] = () => {
      over.abort();
      return new Response(null, { status: 204 });
    };
    await expect(driver.start(spec, over.signal)).rejects.toMatchObject({ code: "cancelled" });
    expect(jailer.ended).toEqual([id]);
  });

  test("of what runs already is refused, and leaves that alone", async () => {
    const machine = await driver.start(spec);
    await expect(driver.start(spec)).rejects.toMatchObject({ code: "precondition" });
    expect(isAlive(machine.process)).toBe(true);
  });

  test("that the jailer refuses keeps the jailer's reason", async () => {
    jailer.launch = () => Promise.reject(new BangerError("host_missing", "there is no jailer"));
    await expect(driver.start(spec)).rejects.toMatchObject({ code: "host_missing" });
    expect(jailer.ended).toEqual([]);
  });

  test("where Firecracker cannot run never comes to the jailer", async () => {
    const unusable = { driver: "firecracker", usable: false, acceleration: "none", version: "" } as const;
    const useless = firecrackerDriver({
      programs: ["/nowhere"],
      jailer,
      look: async () => ({ ...unusable, reason: "no KVM" }),
    });
    await expect(useless.start(spec)).rejects.toMatchObject({ code: "host_missing", message: "no KVM" });
    expect(jailer.machines).toEqual([]);
  });
});

describe("a machine", () => {
  test("is found by its id and by its directory, signalled, and seen to end", async () => {
    const machine = await driver.start(spec);
    expect(await driver.find(id, "/elsewhere")).toEqual(machine);
    expect(await driver.findIn(spec.runDir)).toEqual([machine]);
    expect(await driver.findIn("/elsewhere")).toEqual([]);
    expect(await driver.alive(machine)).toBe(true);
    await driver.signal(machine, 15);
    await driver.exited(machine);
    expect(await driver.alive(machine)).toBe(false);
  });

  test("that was killed leaves neither process nor files; a second time is no error", async () => {
    const machine = await driver.start(spec);
    await driver.kill(machine);
    expect(isAlive(machine.process)).toBe(false);
    expect(readdirSync(join(spec.runDir, "jail"))).toEqual([]);
    await driver.kill(machine);
    expect(jailer.ended).toEqual([id]);
  });

  test("whose process is gone still has its jail taken away", async () => {
    const machine = await driver.start(spec);
    jailer.machines.splice(0, 1, { id, process: undefined, runDir: spec.runDir });
    await kill(machine.process);
    await driver.kill(machine);
    expect(jailer.ended).toEqual([id]);
  });

  test("is halted and goes on, and is not told what it does already", async () => {
    const machine = await driver.start(spec);
    let state = "Running";
    jailer.answers["/"] = () => Response.json({ id, state, vmm_version: "1.12.1" });
    jailer.heard = [];
    await driver.resume?.(machine);
    expect(jailer.heard).toEqual(["GET /"]);
    await driver.pause?.(machine);
    expect(jailer.bodies.at(-1)).toEqual({ state: "Paused" });
    state = "Paused";
    await driver.pause?.(machine);
    await driver.resume?.(machine);
    expect(jailer.bodies.at(-1)).toEqual({ state: "Resumed" });
    expect(jailer.heard.filter((line) => line.startsWith("PATCH"))).toEqual(["PATCH /vm", "PATCH /vm"]);
  });

  test("is not paused by a Firecracker whose guest would take no connection afterwards", async () => {
    const newer = firecrackerDriver({
      ...{ programs: ["/nowhere"], jailer },
      look: async () => ({
        ...{ driver: "firecracker", usable: true, acceleration: "kvm", version: "1.16.1" },
      }),
    });
    const machine = await newer.start(spec);
    jailer.heard = [];
    await expect(newer.pause?.(machine)).rejects.toMatchObject({ code: "precondition" });
    expect(jailer.heard).toEqual([]);
  });

  test("is asked to end by its keyboard", async () => {
    const machine = await driver.start(spec);
    jailer.heard = [];
    await driver.pressPowerButton?.(machine);
    expect(jailer.heard).toEqual(["PUT /actions"]);
  });

  test("has a stream to its agent, and none when it is gone", async () => {
    const machine = await driver.start(spec);
    const lines: string[] = [];
    const guest = createServer((socket) => {
      socket.once("data", (line: Buffer) => {
        lines.push(line.toString());
        socket.write("OK 1\n");
      });
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => guest.listen(join(spec.runDir, "jail/vsock.sock"), resolve));
    (await driver.agentStream(machine)).destroy();
    expect(lines).toEqual(["CONNECT 71\n"]);
    guest.close();
    await driver.kill(machine);
    await expect(driver.agentStream(machine)).rejects.toMatchObject({ code: "unavailable" });
  });
});
