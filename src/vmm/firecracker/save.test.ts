/** Saving machines and going on from them: what is asked of Firecracker, what becomes of its files. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineSpec, VmmDriver } from "../vmm.ts";
import { directJailer } from "./direct.ts";
import { firecrackerDriver } from "./driver.ts";
import { FakeJailer, vmId as id, specIn } from "./testing/fake-jailer.ts";

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

describe("saving and going on", () => {
  const to = () => ({ memory: join(dir, "memory"), state: join(dir, "state") });
  const inRun = (name: string) => join(spec.runDir, "jail", name);
  /** Firecracker's part: memory of 1 MiB with one page in it, and a state. */
  const writes = () => {
    writeFileSync(inRun("memory"), Buffer.concat([Buffer.alloc(512 * 1024), Buffer.alloc(512 * 1024, 7)]));
    writeFileSync(inRun("state"), "state");
    return new Response(null, { status: 204 });
  };

  test("a machine is halted, writes into its jail, and what it wrote is copied without the zeros", async () => {
    const machine = await driver.start({ ...spec, memory: { path: to().memory, use: "make" } });
    jailer.heard = [];
    jailer.answers["/snapshot/create"] = writes;
    await driver.save?.(machine, to());
    expect(jailer.heard).toEqual(["PATCH /vm", "PUT /snapshot/create"]);
    expect(jailer.bodies.at(-1)).toEqual({
      snapshot_type: "Full",
      snapshot_path: "/run/state",
      mem_file_path: "/run/memory",
    });
    const { size, blocks, mode, ino } = statSync(to().memory);
    expect({ size, mode: mode & 0o777 }).toEqual({ size: 1 << 20, mode: 0o600 });
    expect(blocks * 512).toBeLessThanOrEqual(512 * 1024);
    expect(ino).not.toBe(statSync(inRun("memory")).ino);
    expect(readFileSync(to().state, "utf8")).toBe("state");
  });

  test("nothing is taken for saved that is no file, or that Firecracker refused to write", async () => {
    const machine = await driver.start(spec);
    jailer.answers["/snapshot/create"] = () => Response.json({ fault_message: "no space" }, { status: 400 });
    await expect(driver.save?.(machine, to())).rejects.toThrow("no space");
    jailer.answers["/snapshot/create"] = () => {
      execFileSync("mkfifo", [inRun("memory")]);
      return new Response(null, { status: 204 });
    };
    await expect(driver.save?.(machine, to())).rejects.toThrow("no regular file");
    expect(readdirSync(dir).filter((name) => /memory|state/.test(name))).toEqual([]);
  });

  test("a machine that is saved and cancelled meanwhile leaves no state", async () => {
    const machine = await driver.start(spec);
    const over = new AbortController();
    jailer.answers["/snapshot/create"] = () => {
      over.abort();
      return writes();
    };
    await expect(driver.save?.(machine, to(), over.signal)).rejects.toThrow();
    expect(readdirSync(dir).filter((name) => /memory|state/.test(name))).toEqual([]);
  });

  test("one that goes on is told of its log, and then only from where", async () => {
    const saved = { memory: { path: "/t/memory", use: "map" }, restore: { state: "/t/state" } } as const;
    await driver.start({ ...spec, ...saved, network: { tap: "tap-pool-1", mac: "02:00:00:00:00:02" } });
    expect(jailer.heard.slice(0, 2).sort()).toEqual(["PUT /logger", "PUT /metrics"]);
    expect(jailer.heard.slice(2)).toEqual(["PUT /snapshot/load"]);
    expect(jailer.bodies.at(-1)).toMatchObject({
      mem_backend: { backend_path: "/template.memory" },
      network_overrides: [{ iface_id: "eth0", host_dev_name: "tap-pool-1" }],
    });
  });

  test("one that cannot go on says so, and leaves nothing", async () => {
    jailer.answers["/snapshot/load"] = () =>
      Response.json({ fault_message: "wrong version" }, { status: 400 });
    const saved = { memory: { path: "/t/memory", use: "map" }, restore: { state: "/t/state" } } as const;
    await expect(driver.start({ ...spec, ...saved })).rejects.toMatchObject({
      code: "guest_failed",
      message: "the saved state cannot be restored: Firecracker refused PUT /snapshot/load: wrong version",
    });
    expect(jailer.ended).toEqual([id]);
  });

  test("is not for a Firecracker that is too old for it, nor for one without a jail", async () => {
    const of = (version: string) =>
      firecrackerDriver({
        programs: ["/bin/true"],
        jailer,
        look: async () => ({ driver: "firecracker", usable: true, acceleration: "kvm", version }),
      });
    expect(await of("1.11.0").stateKey?.(spec)).toBeUndefined();
    expect(await of("1.12.1").stateKey?.(spec)).toMatchObject({ driver: "firecracker" });
    const plain = firecrackerDriver({ programs: ["/bin/true"], jailer: directJailer("/bin/true") });
    expect(plain.capabilities.saveRestore).toBe(false);
    expect(plain.save ?? plain.stateKey).toBeUndefined();
    expect(of("1.12.1").capabilities.saveRestore).toBe(true);
  });
});
