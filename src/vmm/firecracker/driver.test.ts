/** The driver's own part: what it asks of a jailer and of the API, and what it leaves. The processes are mere sleepers. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { identify, isAlive, type ProcessIdentity, signalProcess, waitForExit } from "../../sys/sys.ts";
import type { MachineSpec, VmmDriver } from "../vmm.ts";
import { firecrackerDriver } from "./driver.ts";
import type { JailedMachine, Jailer } from "./jailer.ts";

const id = "0d4f2f3e-6a52-4b39-9d0b-7f1f0c1f2a3b";

let dir: string;
let jailer: FakeJailer;
let driver: VmmDriver;
let spec: MachineSpec;
/** Answers the request to this path, in place of 204. */
let answers: Record<string, () => Response>;
let heard: string[];

class FakeJailer implements Jailer {
  readonly jailed = true;
  readonly machines: JailedMachine[] = [];
  readonly #servers: { stop(force: boolean): unknown }[] = [];
  ended: string[] = [];

  launch = async ({ runDir }: Pick<MachineSpec, "runDir">) => {
    if (this.machines.length > 0) throw new BangerError("precondition", "the VM runs already");
    mkdirSync(this.runPath(runDir), { recursive: true });
    const server = Bun.serve({
      unix: join(this.runPath(runDir), "firecracker.socket"),
      fetch: async (request) => {
        const { pathname } = new URL(request.url);
        heard.push(`${request.method} ${pathname}`);
        return answers[pathname]?.() ?? new Response(null, { status: 204 });
      },
    });
    this.#servers.push(server);
    const process = sleeper();
    this.machines.push({ id, process, runDir });
    return {
      process,
      view: { kernel: "/vmlinux", initramfs: "/initramfs", disks: ["/root.dev"], run: "/run" },
    };
  };
  runPath = (runDir: string) => join(runDir, "jail");
  signal = async (_id: string, process: ProcessIdentity, signal: number) => {
    signalProcess(process, signal);
  };
  end = async (ended: string) => {
    this.ended.push(ended);
    for (const { process } of this.machines) if (process !== undefined) await kill(process);
    this.machines.length = 0;
  };
  find = async (wanted: string) => this.machines.find((machine) => machine.id === wanted);
  all = async () => this.machines;

  async close(): Promise<void> {
    for (const server of this.#servers) await server.stop(true);
    await this.end(id);
  }
}

function sleeper(): ProcessIdentity {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error("sleep did not start");
  return identity;
}

async function kill(process: ProcessIdentity): Promise<void> {
  signalProcess(process, 9);
  await waitForExit(process);
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-fcd-"));
  jailer = new FakeJailer();
  answers = {};
  heard = [];
  driver = firecrackerDriver({
    programs: ["/nowhere"],
    jailer,
    look: async () => ({ driver: "firecracker", usable: true, acceleration: "kvm", version: "1.12.1" }),
  });
  spec = {
    id,
    name: "web",
    vcpu: 1,
    memoryMiB: 128,
    kernel: "/k/vmlinux",
    initramfs: "/k/initramfs",
    cmdline: [],
    disks: [{ path: "/dev/mapper/x", format: "raw", readOnly: false }],
    egress: "none",
    runDir: join(dir, "run"),
    consoleLog: join(dir, "console.log"),
    vmmLog: join(dir, "vmm.log"),
  };
});
afterEach(async () => {
  await jailer.close();
  rmSync(dir, { recursive: true });
});

describe("a start", () => {
  test("tells the API everything, then starts, and makes the logs that Firecracker only opens", async () => {
    const machine = await driver.start(spec);
    expect(machine).toMatchObject({ driver: "firecracker", runDir: spec.runDir });
    expect(heard.at(-1)).toBe("PUT /actions");
    expect(heard.slice(0, -1).sort()).toEqual([
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
    answers["/boot-source"] = () => Response.json({ fault_message: "the kernel is no ELF" }, { status: 400 });
    answers["/entropy"] = () => {
      const line = "2026-11-23T10:00:00.1 [x:main:ERROR] it broke\n";
      writeFileSync(join(spec.runDir, "jail/firecracker.log"), line);
      return new Response(null, { status: 204 });
    };
    await expect(driver.start(spec)).rejects.toMatchObject({
      code: "guest_failed",
      message: "Firecracker refused PUT /boot-source: the kernel is no ELF: it broke",
    });
    expect(heard).not.toContain("PUT /actions");
    expect(jailer.ended).toEqual([id]);
    expect(await driver.find(id, spec.runDir)).toBeUndefined();
  });

  test("for which the host has no memory says so", async () => {
    answers["/actions"] = () =>
      Response.json({ fault_message: "Cannot allocate memory (os error 12)" }, { status: 400 });
    await expect(driver.start(spec)).rejects.toMatchObject({ code: "no_space" });
  });

  test("that is given up ends what it has begun", async () => {
    const over = new AbortController();
    answers["/machine-config"] = () => {
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

  test("is asked to end by its keyboard", async () => {
    const machine = await driver.start(spec);
    heard = [];
    await driver.pressPowerButton?.(machine);
    expect(heard).toEqual(["PUT /actions"]);
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
