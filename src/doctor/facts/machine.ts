/** The machine: processor, memory, and what kind of Linux it runs. */
import { readFile } from "node:fs/promises";
import { availableParallelism, release } from "node:os";

export interface MachineFacts {
  /** As Node names it: x64, arm64 ... */
  arch: string;
  kernel: string;
  /** A virtual machine itself: the processor says so. */
  virtual: boolean;
  wsl: boolean;
  cpus: number;
  vendor: "intel" | "amd" | "other";
  memory: { totalBytes: number; availableBytes: number };
}

export async function lookAtMachine(): Promise<MachineFacts> {
  const [cpuinfo, meminfo] = await Promise.all([
    readFile("/proc/cpuinfo", "utf8"),
    readFile("/proc/meminfo", "utf8"),
  ]);
  const kernel = release();
  return {
    arch: process.arch,
    kernel,
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
    wsl: /microsoft/i.test(kernel),
    cpus: availableParallelism(),
    vendor: /GenuineIntel/.test(cpuinfo)
      ? "intel"
      : /AuthenticAMD|HygonGenuine/.test(cpuinfo)
        ? "amd"
        : "other",
    memory: { totalBytes: field(meminfo, "MemTotal"), availableBytes: field(meminfo, "MemAvailable") },
  };
}

/** proc(5): in KiB, whatever it says. */
function field(meminfo: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0) * 1024;
}
