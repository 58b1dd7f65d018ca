import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { MachineSpec } from "../vmm.ts";
import { qemuArguments, runFiles } from "./arguments.ts";
import { qemuStateKey } from "./state-key.ts";
import { tscKhz } from "./tsc.ts";

const spec: MachineSpec = {
  id: "0d4f2f3e-6a52-4b39-9d0b-7f1f0c1f2a3b",
  name: "web",
  vcpu: 2,
  memoryMiB: 1024,
  kernel: "/k/vmlinux",
  initramfs: "/k/initramfs",
  cmdline: ["root=/dev/vda", "quiet"],
  disks: [
    { path: "/vm/root.qcow2", format: "qcow2", readOnly: false },
    { path: "/vm/work.ext4", format: "raw", readOnly: true },
  ],
  egress: "none",
  runDir: "/run/vm",
  consoleLog: "/vm/console.log",
  vmmLog: "/vm/vmm.log",
};

const tcg = { name: "tcg", tscKhz: 2_400_000 } as const;

/** All values of one option, in order. */
function values(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ""] : []));
}

describe("the command line of QEMU", () => {
  test("is this one, word for word", () => {
    expect(qemuArguments(spec, tcg)).toMatchSnapshot();
  });

  test("uses the host's own CPU with KVM, and several threads without", () => {
    expect(values(qemuArguments(spec, { name: "kvm" }), "-accel")).toEqual(["kvm"]);
    expect(values(qemuArguments(spec, { name: "kvm" }), "-cpu")).toEqual(["host"]);
    expect(values(qemuArguments(spec, tcg), "-accel")).toEqual(["tcg,thread=multi"]);
  });

  test("opens no port of the host, and no way out without NAT", () => {
    for (const egress of ["none", "nat"] as const) {
      const args = qemuArguments({ ...spec, egress }, tcg);
      expect(values(args, "-netdev")).toHaveLength(1);
      expect(values(args, "-netdev")[0]).toContain(`restrict=${egress === "nat" ? "off" : "on"}`);
      expect(values(args, "-netdev")[0]).toContain("ipv6=off");
      expect(args.join(" ")).not.toMatch(/hostfwd|guestfwd|smb=|tftp=|tcp:|udp:/);
    }
  });

  test("denies what the sandbox can deny, and has no default device", () => {
    const args = qemuArguments(spec, tcg);
    expect(values(args, "-sandbox")).toEqual([
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]);
    expect(args).toContain("-nodefaults");
    expect(args).toContain("-no-user-config");
  });

  test("keeps paths with commas, spaces, quotes, equals signs and letters of any script in one piece", () => {
    const odd = "/a,b c'd\"e=f/ünï ☃";
    const args = qemuArguments(
      {
        ...spec,
        kernel: `${odd}/k`,
        disks: [{ path: `${odd}/disk`, format: "raw", readOnly: false }],
        runDir: odd,
        consoleLog: `${odd}/console.log`,
      },
      tcg,
    );
    const doubled = odd.replaceAll(",", ",,");
    expect(values(args, "-drive")[0]).toContain(`,file=${doubled}/disk,format=raw,`);
    expect(values(args, "-chardev")[0]).toBe(`file,id=console,path=${doubled}/console.log,append=on`);
    expect(values(args, "-qmp")[0]).toBe(`unix:${doubled}/qmp.sock,server=on,wait=off`);
    // These are not option strings, but whole values.
    expect(values(args, "-kernel")).toEqual([`${odd}/k`]);
    expect(values(args, "-pidfile")).toEqual([runFiles(odd).pid]);
  });

  test("attaches the disks in their order, read-only where asked", () => {
    const drives = values(qemuArguments(spec, tcg), "-drive");
    expect(drives.map((drive) => /file=([^,]*)/.exec(drive)?.[1])).toEqual(
      spec.disks.map((disk) => disk.path),
    );
    expect(drives.map((drive) => drive.endsWith(",readonly=on"))).toEqual([false, true]);
  });
});

describe("the command line of a machine whose memory is a file", () => {
  const memory = { path: "/t,1/memory", use: "map" } as const;

  test("maps it for itself alone when it is a saved one, and shares it when it is being made", () => {
    const object = (use: "make" | "map") =>
      values(qemuArguments({ ...spec, memory: { ...memory, use } }, tcg), "-object");
    expect(object("map")).toEqual([
      "memory-backend-file,id=memory,share=off,mem-path=/t,,1/memory,size=1024M",
    ]);
    expect(object("make")).toEqual([
      "memory-backend-file,id=memory,share=on,mem-path=/t,,1/memory,size=1024M",
    ]);
  });

  test("has all devices of the saved machine, and neither kernel nor initramfs when it goes on from a state", () => {
    const cold = qemuArguments({ ...spec, memory }, tcg);
    const warm = qemuArguments({ ...spec, memory, restore: { state: "/t/state" } }, tcg);
    const boot = ["-kernel", "-initrd", "-append"];
    for (const option of boot) expect(values(warm, option)).toEqual([]);
    const without = cold.filter((arg, index) => !boot.includes(arg) && !boot.includes(cold[index - 1] ?? ""));
    expect(warm.filter((arg) => arg !== "-incoming" && arg !== "defer")).toEqual(without);
  });
});

describe("the key of a saved state", () => {
  const key = (change: Partial<MachineSpec>, khz = 2_400_000) =>
    qemuStateKey({ ...spec, ...change }, { name: "tcg", tscKhz: khz }, "7.2.22");

  test("is the same for all VMs that could be clones of one machine", () => {
    const disks = spec.disks.map((disk, index) => ({ ...disk, path: `/other/${index}` }));
    const clone: Partial<MachineSpec> = {
      ...{ id: "1", name: "other", egress: "nat", disks, kernel: "/other/k", initramfs: "/other/i" },
      ...{ runDir: "/run/other", consoleLog: "/other/c", vmmLog: "/other/v" },
      memory: { path: "/t/memory", use: "map" },
      restore: { state: "/t/state" },
    };
    expect(key(clone)).toEqual(key({}));
    expect(key({}, 2_400_100)).toEqual(key({}));
  });

  test("is another one for another machine, host or QEMU", () => {
    const [disk] = spec.disks;
    const others = [
      key({ vcpu: 1 }),
      key({ memoryMiB: 512 }),
      key({ cmdline: ["other"] }),
      key({ disks: disk === undefined ? [] : [disk] }),
      key({ disks: spec.disks.map((each) => ({ ...each, format: "raw" })) }),
      key({}, 2_500_000),
      qemuStateKey(spec, tcg, "8.0.0"),
      qemuStateKey(spec, { name: "kvm" }, "7.2.22"),
    ].map((each) => JSON.stringify(each));
    expect(new Set([...others, JSON.stringify(key({}))]).size).toBe(others.length + 1);
  });
});

test("the frequency of the host's counter is found, or said to be unknown", async () => {
  const khz = await tscKhz();
  const mhz = Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]);
  // A host's cores run at other speeds than its counter, but not at a tenth or ten times of it.
  if (khz !== undefined) expect(khz / 1000 / mhz).toBeWithin(0.1, 10);
});
