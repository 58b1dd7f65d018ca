/** The real Firecracker as far as it goes without KVM: launched without a jail, found again, spoken to, ended. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify, isAlive, signalProcess } from "../../src/sys/sys.ts";
import { FirecrackerApi } from "../../src/vmm/firecracker/api.ts";
import { machineRequests, restoreRequests } from "../../src/vmm/firecracker/configure.ts";
import { type LaunchRequest, runFiles } from "../../src/vmm/firecracker/jailer.ts";
import { request } from "../../src/vmm/firecracker/requests.ts";
import { directJailer, type MachineSpec } from "../../src/vmm/vmm.ts";
import { firecrackerDirectory } from "../system/host/firecracker.ts";

const program = join(await firecrackerDirectory(), "firecracker");

const jailer = directJailer(program);
let dir: string;
const launched: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-fcl-"));
});
afterEach(async () => {
  for (const id of launched.splice(0)) await jailer.end(id);
  rmSync(dir, { recursive: true });
});

function spec(): MachineSpec {
  const id = randomUUID();
  launched.push(id);
  const runDir = join(dir, id.slice(0, 8));
  mkdirSync(runDir);
  for (const name of ["kernel", "initramfs", "disk"]) writeFileSync(join(dir, name), Buffer.alloc(1 << 16));
  const disk = { path: join(dir, "disk"), format: "raw", readOnly: false } as const;
  return {
    id,
    name: "tiny",
    vcpu: 1,
    memoryMiB: 128,
    kernel: join(dir, "kernel"),
    initramfs: join(dir, "initramfs"),
    cmdline: ["quiet"],
    disks: [disk, disk],
    egress: "none",
    runDir,
    consoleLog: join(dir, "console.log"),
    vmmLog: join(dir, "vmm.log"),
  };
}

const launch = (of: LaunchRequest, signal?: AbortSignal) => jailer.launch(of, signal);

describe("Firecracker without a jail", () => {
  test("answers when it is launched, is found again, and leaves nothing when it is ended", async () => {
    const machine = spec();
    const { process } = await launch(machine);
    const api = new FirecrackerApi(runFiles(machine.runDir).api);
    expect(await api.version()).toBe("1.12.1");
    expect(await api.instance()).toMatchObject({ id: machine.id, state: "Not started" });
    const another = directJailer(program);
    expect(await another.find(machine.id)).toEqual({ id: machine.id, process, runDir: machine.runDir });
    expect(await another.find(randomUUID())).toBeUndefined();
    await another.end(machine.id);
    expect(isAlive(process)).toBe(false);
    expect(readdirSync(machine.runDir)).toEqual([]);
    await another.end(machine.id);
  });

  test("has its seccomp filters, no descriptor of ours and nothing of our environment", async () => {
    process.env.BANGER_TEST_SECRET = "leaked";
    const { process: machine } = await launch(spec());
    delete process.env.BANGER_TEST_SECRET;
    const proc = join("/proc", String(machine.pid));
    expect(readFileSync(join(proc, "environ"), "utf8")).not.toContain("leaked");
    // Each thread has a filter of its own: that of the API gets it when it has opened its socket, the others later.
    const api = () =>
      readdirSync(join(proc, "task"))
        .map((task) => readFileSync(join(proc, "task", task, "status"), "utf8"))
        .find((status) => /^Name:\s*fc_api$/m.test(status)) ?? "";
    for (let tries = 0; tries < 500 && !/^Seccomp:\s*2$/m.test(api()); tries += 1) await Bun.sleep(10);
    expect(api()).toMatch(/^Seccomp:\s*2$/m);
    const targets = readdirSync(join(proc, "fd")).map((fd) => readlinkSync(join(proc, "fd", fd)));
    const foreign = targets.filter((path) => path.startsWith("/") && !path.startsWith(dir));
    expect([...new Set(foreign)]).toEqual(["/dev/null"]);
    expect(readFileSync(join(dir, "console.log"), "utf8")).toBe("");
  });

  test("takes all that the driver tells it, many at once, but for the start", async () => {
    const machine = spec();
    const { view } = await launch(machine);
    const files = runFiles(machine.runDir);
    for (const path of [files.log, files.metrics]) writeFileSync(path, "");
    const api = new FirecrackerApi(files.api);
    for (const batch of machineRequests(machine, view).slice(0, -1))
      await Promise.all(batch.map((one) => api.send(one)));
  });

  test("understands what a machine that goes on is told: it looks for the state, and says that there is none", async () => {
    const machine = { ...spec(), network: { tap: "tap-pool-0", mac: "02:00:00:00:00:01" } };
    const { view } = await launch(machine);
    const files = runFiles(machine.runDir);
    for (const path of [files.log, files.metrics]) writeFileSync(path, "");
    const api = new FirecrackerApi(files.api);
    const saved = { memory: join(dir, "no-memory"), state: join(dir, "no-state") };
    const [outputs = [], [load] = []] = restoreRequests(machine, { ...view, saved });
    for (const one of outputs) await api.send(one);
    if (load === undefined) throw new Error("nothing to load");
    await expect(api.send(load)).rejects.toThrow(/snapshot\/load: .*No such file or directory/);
  });

  test("is neither halted nor saved before it runs, and says so", async () => {
    const machine = spec();
    await launch(machine);
    const api = new FirecrackerApi(runFiles(machine.runDir).api);
    const { state: snapshot_path, memory: mem_file_path } = runFiles(dir);
    const create = request.createSnapshot({ snapshot_type: "Full", snapshot_path, mem_file_path });
    for (const one of [request.vm({ state: "Paused" }), create])
      await expect(api.send(one)).rejects.toThrow("not supported before starting the microVM");
  });

  test("is heard in its own words when it refuses", async () => {
    const machine = spec();
    await launch(machine);
    const api = new FirecrackerApi(runFiles(machine.runDir).api);
    const drive = {
      drive_id: "disk0",
      is_root_device: false,
      is_read_only: false,
      cache_type: "Unsafe",
    } as const;
    await expect(api.send(request.drive({ ...drive, path_on_host: "/nowhere" }))).rejects.toThrow(
      /^Firecracker refused PUT \/drives\/disk0: .*No such file or directory/,
    );
  });

  test("launched several times at once for one VM runs once", async () => {
    const machine = spec();
    const all = await Promise.allSettled([1, 2, 3, 4].map(() => launch(machine)));
    const won = all.flatMap((one) => (one.status === "fulfilled" ? [one.value.process] : []));
    expect(won).toHaveLength(1);
    expect((await jailer.all()).filter(({ id }) => id === machine.id).map(({ process }) => process)).toEqual(
      won,
    );
    expect(await new FirecrackerApi(runFiles(machine.runDir).api).version()).toBe("1.12.1");
  });

  test("that is given up at once leaves no process", async () => {
    const machine = spec();
    await expect(launch(machine, AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
    expect(await jailer.find(machine.id)).toBeUndefined();
    expect(readdirSync(machine.runDir)).toEqual([]);
  });

  test("is not mistaken for another process that looks alike", async () => {
    const machine = spec();
    const argv = ["--id", machine.id, "--api-sock", runFiles(machine.runDir).api];
    const child = spawn("perl", ["-e", "sleep 1000", "--", program, ...argv], { stdio: "ignore" });
    try {
      expect(await jailer.find(machine.id)).toBeUndefined();
    } finally {
      const foreigner = identify(child.pid ?? 0);
      if (foreigner !== undefined) signalProcess(foreigner, 9);
    }
  });
});
