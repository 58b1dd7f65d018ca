/** QEMU's command line for one machine: a pure function, so that benchmarks can start the very same machine by hand. */
import { join } from "node:path";
import type { MachineSpec } from "../vmm.ts";

export const program = "qemu-system-x86_64";

/** The library that keeps a guest with NAT from the host's own services (native/egress.c). */
export const egressName = "egress.so";

/** Sockets and files in a VM's run directory. */
export function runFiles(runDir: string) {
  return {
    qmp: join(runDir, "qmp.sock"),
    agent: join(runDir, "agent.sock"),
    pid: join(runDir, "qemu.pid"),
    egress: join(runDir, egressName),
    /** Where a state that is being saved comes out; ours (save.ts). */
    state: join(runDir, "state.sock"),
    /** Where the machine that takes a checkpoint's memory listens for it (receiver.ts). */
    incoming: join(runDir, "incoming.sock"),
  };
}

/** What stands around the console log's path: appended to, so that it can be cut while QEMU writes. */
export const consoleChardev = { before: "file,id=console,path=", after: ",append=on" } as const;

/** In QEMU's option strings a comma ends a value; a doubled one is a comma (qemu(1), -drive). */
function value(text: string): string {
  return text.replaceAll(",", ",,");
}

/** `tscKhz`: the frequency of the host's time stamp counter, where it is constant. */
export type Acceleration = { name: "kvm" } | { name: "tcg"; tscKhz: number | undefined };

export function qemuArguments(
  spec: MachineSpec,
  acceleration: Acceleration,
  memoryObject = memoryOf(spec),
): string[] {
  const files = runFiles(spec.runDir);
  const disks = spec.disks.flatMap((disk, index) => [
    "-drive",
    [
      `if=none,id=disk${index},file=${value(disk.path)},format=${disk.format}`,
      // When the host's disk is full the guest hears of it. QEMU's default is to stop the whole machine, without a word.
      "werror=report,rerror=report",
      // writeback: the guest's flushes reach the host's disk, nothing else waits for it.
      `cache=writeback,discard=unmap,detect-zeroes=unmap${disk.readOnly ? ",readonly=on" : ""}`,
    ].join(","),
    "-device",
    `virtio-blk-pci,drive=disk${index}`,
  ]);
  return [
    ...["-name", `guest=${value(spec.name)}`, "-uuid", spec.id],
    // Nothing but what is named here: no default devices, no configuration files, no display.
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    // QEMU's own seccomp filter: no other programs, no set-uid, no obsolete calls.
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-machine", `${machineType},memory-backend=${memoryId}`],
    ...accelerate(acceleration),
    ...["-smp", String(spec.vcpu), "-m", `${spec.memoryMiB}M`, ...["-object", memoryObject]],
    ...(spec.restore === undefined ? boot(spec, acceleration) : incoming),
    ...disks,
    ...["-device", "virtio-rng-pci"],
    // restrict: the guest reaches nothing, not even the host. (With NAT, egress.ts keeps it from the host.) Never a forwarded port: all ways in are the agent's.
    ...["-netdev", `user,id=net0,ipv6=off,restrict=${spec.egress === "nat" ? "off" : "on"}`],
    // guest_announce: a restored guest would tell its network five times that it has moved, before it does anything else.
    ...["-device", "virtio-net-pci,netdev=net0,romfile=,guest_announce=off"],
    ...["-device", "virtio-serial-pci"],
    // The console is a paravirtual one: a byte on an emulated serial port costs an exit each.
    ...[
      "-chardev",
      consoleChardev.before + value(spec.consoleLog) + consoleChardev.after,
      "-device",
      "virtconsole,chardev=console",
    ],
    ...["-chardev", `socket,id=agent,path=${value(files.agent)},server=on,wait=off`],
    ...["-device", "virtserialport,chardev=agent,name=banger.agent.0"],
    ...["-qmp", `unix:${value(files.qmp)},server=on,wait=off`, "-pidfile", files.pid],
  ];
}

const machineType = "q35,usb=off,smbus=off,sata=off,vmport=off,hpet=off";
const memoryId = "memory";

/** Memory in a file, or none of anybody's. It has the same name in either: by that a state finds it. */
function memoryOf({ memory, memoryMiB }: MachineSpec): string {
  const object = memory === undefined ? `memory-backend-ram,id=${memoryId},size=` : memoryArgument(memory);
  return `${object}${memoryMiB}M`;
}

/**
 * Memory in a file without a name, which lives as long as the process: counted as shared, so no state has it in it. All its
 * pages are made at the start: whoever waits for them to be written waits for nothing else then.
 */
export function namelessMemory({ memoryMiB }: MachineSpec): string {
  return `memory-backend-memfd,id=${memoryId},share=on,prealloc=on,size=${memoryMiB}M`;
}

/** What the value of -object begins with; its end is the size. share=off is MAP_PRIVATE: the file is read, and never written. */
export function memoryArgument({ path, use }: NonNullable<MachineSpec["memory"]>): string {
  const share = use === "make" ? "on" : "off";
  return `memory-backend-file,id=${memoryId},share=${share},mem-path=${value(path)},size=`;
}

/** The file's path in such a value. */
export function memoryPath(object: string): string | undefined {
  return /,mem-path=((?:[^,]|,,)*),size=/.exec(object)?.[1]?.replaceAll(",,", ",");
}

function boot({ kernel, initramfs, cmdline }: MachineSpec, acceleration: Acceleration): string[] {
  const words = [...cmdline, "console=hvc0", ...emulationWords(acceleration)];
  return ["-kernel", kernel, "-initrd", initramfs, "-append", words.join(" ")];
}

/**
 * A restored machine has its kernel in its memory; QEMU would only read the file (50 MB) and throw it away. `defer`: the
 * state is named by QMP, after the capability that it was written with has been set (there is no option for that).
 */
const incoming = ["-incoming", "defer"] as const;

/** Words of the kernel's command line that help emulation alone. */
function emulationWords(acceleration: Acceleration): string[] {
  if (acceleration.name === "kvm") return [];
  const { tscKhz } = acceleration;
  return [
    // QEMU translates code anew for each address it is seen at, so that each process of a boot would pay again for the
    // same libraries. The agent turns randomisation on again at basic.target.
    "norandmaps",
    // The counter's frequency, and the busy loop's, which is in ticks of it: neither is then measured (see tsc.ts).
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`, `lpj=${(tscKhz * 1000) / kernelHz}`]),
  ];
}

/** CONFIG_HZ of the guest's kernel, as Debian, Ubuntu and Fedora have it on x86-64 clouds. A loop too long does no harm. */
const kernelHz = 250;

function accelerate(acceleration: Acceleration): string[] {
  if (acceleration.name === "kvm") return ["-accel", "kvm", "-cpu", "host"];
  // la57: five levels of page tables, walked in software: without them a boot takes 5 to 20 % less (2026-11, QEMU 7.2).
  // erms: told that "rep movsb" and "rep stosb" are fast, Linux and glibc copy and clear by the byte, and QEMU emulates each
  // one; else they take eight at once. A boot takes 4 to 20 % less (the same).
  return ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off,erms=off"];
}
