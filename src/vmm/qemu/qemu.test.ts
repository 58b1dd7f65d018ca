import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { MachineSpec } from "../vmm.ts";
import { qemuArguments, runFiles } from "./arguments.ts";
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

test("the frequency of the host's counter is found, or said to be unknown", async () => {
  const khz = await tscKhz();
  const mhz = Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]);
  // A host's cores run at other speeds than its counter, but not at a tenth or ten times of it.
  if (khz !== undefined) expect(khz / 1000 / mhz).toBeWithin(0.1, 10);
});
