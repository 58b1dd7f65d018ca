/** Sizes of new VMs, and where each comes from: config, then what the host suggests, then constants. */
import type { Config } from "./schema.ts";

export interface HostSize {
  cpus: number;
  memoryBytes: number;
}

export interface Sourced<T> {
  value: T;
  from: "config" | "auto" | "builtin";
}

export interface SpecDefaults {
  vcpu: Sourced<number>;
  memoryMiB: Sourced<number>;
  diskBytes: Sourced<number>;
  overlayBytes: Sourced<number>;
}

const GiB = 1024 ** 3;
const floor = { vcpu: 2, memoryMiB: 1024, diskBytes: 8 * GiB, overlayBytes: 8 * GiB } as const;

/**
 * vcpu = cpus / 4, at most 4; memory = an eighth of the host's, at most 8 GiB; the constants are the floor of both. A
 * host with fewer CPUs than the floor gets no more than it has.
 */
export function specDefaults(config: Config, host: HostSize): SpecDefaults {
  const given = config.vm_defaults;
  const autoVcpu = Math.min(4, Math.floor(host.cpus / 4));
  const autoMemory = Math.min(8192, Math.floor(host.memoryBytes / 8 / 1024 / 1024));
  return {
    vcpu: pick(given.vcpu, autoVcpu, Math.min(floor.vcpu, Math.max(1, host.cpus))),
    memoryMiB: pick(given.memory_mib, autoMemory, floor.memoryMiB),
    diskBytes: pick(given.disk_size, 0, floor.diskBytes),
    overlayBytes: pick(given.system_overlay_size, 0, floor.overlayBytes),
  };
}

function pick(configured: number | undefined, auto: number, builtin: number): Sourced<number> {
  if (configured !== undefined) return { value: configured, from: "config" };
  return auto > builtin ? { value: auto, from: "auto" } : { value: builtin, from: "builtin" };
}
