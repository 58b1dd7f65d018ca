import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineSpec } from "../vmm.ts";
import { FirecrackerApi } from "./api.ts";
import { driverWords } from "./cmdline.ts";
import { checkSpec, machineRequests, restoreRequests } from "./configure.ts";
import type { JailView } from "./jailer.ts";
import { request } from "./requests.ts";
import { firecrackerStateKey } from "./state-key.ts";
import { canRestore, judgeVersion, parseVersion } from "./version.ts";

const spec: MachineSpec = {
  id: "0d4f2f3e-6a52-4b39-9d0b-7f1f0c1f2a3b",
  name: "web",
  vcpu: 2,
  memoryMiB: 1024,
  kernel: "/k/vmlinux",
  initramfs: "/k/initramfs",
  cmdline: ["root=/dev/vda", "quiet"],
  disks: [
    { path: "/dev/mapper/fc-rootfs-0d4f2f3e", format: "raw", readOnly: false },
    { path: "/vm/work.ext4", format: "raw", readOnly: true },
  ],
  egress: "none",
  network: { tap: "tap-pool-0", mac: "02:00:00:00:00:01" },
  runDir: "/run/vm",
  consoleLog: "/vm/console.log",
  vmmLog: "/vm/vmm.log",
};
const view: JailView = {
  kernel: "/vmlinux",
  initramfs: "/initramfs.cpio",
  disks: ["/root.dev", "/work.ext4"],
  run: "/run",
  saved: { memory: "/template.memory", state: "/template.state" },
};

describe("what Firecracker is told", () => {
  test("is this, word for word", () => {
    expect(machineRequests(spec, view)).toMatchSnapshot();
  });

  test("names files as the jail has them, and never as the host", () => {
    const text = JSON.stringify(machineRequests(spec, view));
    for (const path of [spec.kernel, spec.initramfs, spec.runDir, ...spec.disks.map((disk) => disk.path)])
      expect(text).not.toContain(`"${path}`);
  });

  test("sends no drive before the one that comes first, and starts when all is said", () => {
    const drives = machineRequests(spec, view).map((batch) =>
      batch.map(({ path }) => path).filter((path) => /drives|actions/.test(path)),
    );
    expect(drives).toEqual([["/drives/disk0"], ["/drives/disk1"], ["/actions"]]);
  });

  test("is at most ten requests at once, which is what Firecracker takes", () => {
    for (const batch of machineRequests(spec, view)) expect(batch.length).toBeLessThanOrEqual(10);
  });

  test("has the guest's flushes reach the disk, and the driver's words last", () => {
    const bodies = machineRequests(spec, view)
      .flat()
      .map(({ body }) => body);
    expect(bodies.filter((body) => "cache_type" in body)).toHaveLength(2);
    expect(bodies).toContainEqual(
      expect.objectContaining({ boot_args: `root=/dev/vda quiet ${driverWords.join(" ")}` }),
    );
  });

  test("has no network device without a TAP", () => {
    const { network: _, ...without } = spec;
    expect(JSON.stringify(machineRequests(without, view))).not.toContain("network-interfaces");
    expect(() => checkSpec({ ...without, egress: "nat" })).toThrow("needs a TAP device");
  });

  test.each([
    ["33 CPUs", { vcpu: 33 }, "at most 32 CPUs"],
    ["qcow2", { disks: [{ path: "/d", format: "qcow2", readOnly: false }] }, "raw disks only"],
    ["a long command line", { cmdline: ["x".repeat(2048)] }, "too long"],
  ] as const)("is refused with %s", (_what, change, message) => {
    expect(() => checkSpec({ ...spec, ...change })).toThrow(message);
  });

  test("cannot be what Firecracker would misread", () => {
    const drive = {
      path_on_host: "/d",
      is_root_device: false,
      is_read_only: false,
      cache_type: "Unsafe",
    } as const;
    expect(() => request.drive({ ...drive, drive_id: "../actions" })).toThrow();
    expect(() => request.vsock({ guest_cid: 2, uds_path: "/v" })).toThrow();
    expect(() => request.networkInterface({ iface_id: "e", host_dev_name: "t", guest_mac: "x" })).toThrow();
  });
});

describe("a machine that goes on from a saved one", () => {
  test("is told where its log goes, and then this", () => {
    const [outputs = [], load, ...more] = restoreRequests(spec, view);
    expect(outputs.map(({ path }) => path)).toEqual(["/logger", "/metrics"]);
    expect(load).toEqual([
      {
        method: "PUT",
        path: "/snapshot/load",
        body: {
          snapshot_path: "/template.state",
          mem_backend: { backend_type: "File", backend_path: "/template.memory" },
          resume_vm: true,
          network_overrides: [{ iface_id: "eth0", host_dev_name: "tap-pool-0" }],
        },
      },
    ]);
    expect(more).toEqual([]);
  });

  const key = (change: Partial<MachineSpec> = {}, digest = "d", jail = view) =>
    firecrackerStateKey({ ...spec, ...change }, { version: "1.12.1", digest }, jail);

  test("may have another name, other files, another TAP and another way out than the saved one", async () => {
    const { disks } = spec;
    const elsewhere = disks.map((disk) => ({ ...disk, path: "/elsewhere" }));
    const network = { tap: "tap-pool-9", mac: "02:00:00:00:00:09" };
    const other = { id: "x", name: "y", disks: elsewhere, runDir: "/z", network, egress: "nat" as const };
    expect(await key(other)).toEqual(await key());
  });

  test.each([
    ["processors", { vcpu: 3 }],
    ["memory", { memoryMiB: 512 }],
    ["words of the kernel", { cmdline: ["quiet"] }],
    ["disks", { disks: spec.disks.slice(1) }],
  ] as const)("is not one of other %s", async (_what, change) => {
    expect(await key(change)).not.toEqual(await key());
  });

  test("is not one of another Firecracker, or with other names in its jail", async () => {
    expect(await key({}, "e")).not.toEqual(await key());
    for (const jail of [
      { ...view, run: "/elsewhere" },
      { ...view, disks: ["/root.dev", "/other"] },
    ])
      expect(await key({}, "d", jail)).not.toEqual(await key());
  });

  test.each([
    ["1.11.9", false],
    ["1.12.0", true],
    ["1.14.1", true],
  ] as const)("is possible with Firecracker %s: %p", (version, possible) => {
    expect(canRestore(version)).toBe(possible);
  });
});

describe("the API's client", () => {
  let dir: string;
  let server: Bun.Server<undefined> | undefined;
  const heard: string[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "banger-fc-"));
    heard.length = 0;
  });
  afterEach(async () => {
    await server?.stop(true);
    rmSync(dir, { recursive: true });
  });

  function serve(answer: () => Response | Promise<Response>): FirecrackerApi {
    const socket = join(dir, "api.sock");
    server = Bun.serve({
      unix: socket,
      fetch: async (asked) => {
        heard.push(`${asked.method} ${new URL(asked.url).pathname} ${await asked.text()}`);
        return answer();
      },
    });
    return new FirecrackerApi(socket);
  }

  test("sends what it was given", async () => {
    const api = serve(() => new Response(null, { status: 204 }));
    await api.send(request.machineConfig({ vcpu_count: 1, mem_size_mib: 128 }));
    await api.send(request.drive(driveBody));
    expect(heard).toEqual([
      'PUT /machine-config {"vcpu_count":1,"mem_size_mib":128}',
      `PUT /drives/disk0 ${JSON.stringify(driveBody)}`,
    ]);
  });

  const driveBody = {
    drive_id: "disk0",
    path_on_host: "/d",
    is_root_device: false,
    is_read_only: false,
    cache_type: "Writeback",
  } as const;

  test("says Firecracker's own words when it refuses, in one line, and not too many", async () => {
    const fault = `no such file\n${"x".repeat(5000)}`;
    const api = serve(() => Response.json({ fault_message: fault }, { status: 400 }));
    const error: unknown = await api.send(request.entropy({})).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "guest_failed" });
    const { message } = error as Error;
    expect(message).toStartWith("Firecracker refused PUT /entropy: no such file x");
    expect(message.length).toBeLessThan(600);
  });

  test("understands refusals that are not of the usual form", async () => {
    const api = serve(() => new Response("what?", { status: 500 }));
    await expect(api.send(request.entropy({}))).rejects.toThrow("refused PUT /entropy: what?");
  });

  test("reads who answers and its version", async () => {
    const said = { id: "x", state: "Running", vmm_version: "1.12.1", app_name: "Firecracker" };
    expect(await serve(() => Response.json(said)).instance()).toMatchObject({ state: "Running" });
    await server?.stop(true);
    expect(await serve(() => Response.json({ firecracker_version: "1.14.1" })).version()).toBe("1.14.1");
  });

  test("takes no nonsense for an answer, and no more of it than Firecracker would say", async () => {
    await expect(serve(() => Response.json({ state: "Dancing" })).instance()).rejects.toThrow("nonsense");
    await server?.stop(true);
    await expect(serve(() => new Response("x".repeat(70_000))).instance()).rejects.toThrow("longer answer");
  });

  test("does not follow where an answer points", async () => {
    const api = serve(() => Response.redirect("http://127.0.0.1:1/"));
    await expect(api.instance()).rejects.toMatchObject({ code: "unavailable" });
    expect(heard).toHaveLength(1);
  });

  test("is not led away by a proxy of the environment", async () => {
    process.env.http_proxy = "http://127.0.0.1:1";
    try {
      await serve(() => new Response(null, { status: 204 })).send(request.entropy({}));
    } finally {
      delete process.env.http_proxy;
    }
  });

  test("says so when nobody answers, and gives up when it is told to", async () => {
    const gone = new FirecrackerApi(join(dir, "nobody"));
    await expect(gone.send(request.entropy({}))).rejects.toMatchObject({ code: "unavailable" });
    const slow = serve(() => Bun.sleep(10_000).then(() => new Response(null, { status: 204 })));
    await expect(slow.send(request.entropy({}), AbortSignal.timeout(50))).rejects.toThrow();
  });
});

describe("the version of Firecracker", () => {
  test("is its own line's, and not what it logs when it ends", () => {
    const output =
      "Firecracker v1.12.1\n\n2026-11-23T10:21:43.481773688 [anonymous-instance:main] Firecracker exiting successfully. exit_code=0\n";
    expect(parseVersion(output)).toBe("1.12.1");
    expect(parseVersion("Jailer v1.12.1\n")).toBeUndefined();
    expect(parseVersion("")).toBeUndefined();
  });

  test.each([
    ["1.4.9", "too old"],
    ["0.25.2", "too old"],
    ["1.5.0", "good"],
    ["1.12.1", "good"],
    ["1.14.1", "good"],
    ["1.14.2", "newer than tested"],
    ["2.0.0", "newer than tested"],
  ] as const)("%s is %s", (version, verdict) => {
    expect(judgeVersion(version)).toBe(verdict);
  });
});
