/** What a VM takes, made up. Only for tests. */
import type { Vm, VmStats } from "../../rpc/contract.ts";
import { fakeVm } from "./fake-daemon.ts";

const MiB = 1024 ** 2;

export function fakeStats(name: string, change: Partial<VmStats> = {}, vm: Partial<Vm> = {}): VmStats {
  return {
    vm: fakeVm(name, vm),
    atMs: 0,
    uptimeMs: 9_000_000,
    host: { cpuMs: 1_000, residentBytes: 300 * MiB, ownBytes: 200 * MiB, proportionalBytes: 250 * MiB },
    disk: {
      root: { allocatedBytes: 3 * MiB, apparentBytes: 8192 * MiB },
      work: { allocatedBytes: MiB, apparentBytes: 8192 * MiB },
    },
    network: null,
    guest: {
      ...{ uptimeSeconds: 9_000, load: [0.5, 0.25, 0], processes: 42 },
      ...{ memoryTotalBytes: 900 * MiB, memoryAvailableBytes: 700 * MiB },
      ...{ rootTotalBytes: 8192 * MiB, rootFreeBytes: 8000 * MiB },
      ...{ workTotalBytes: 8192 * MiB, workFreeBytes: 8000 * MiB },
    },
    guestSilent: null,
    ...change,
  };
}
