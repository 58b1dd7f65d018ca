/** What a VM takes, as people read it. */
import { formatBytes, formatSpan } from "../../base/base.ts";
import type { VmStats } from "../../rpc/contract.ts";

/** What changes between two looks: of each VM how much of one processor it takes. */
export class Rates {
  #before = new Map<string, VmStats>();

  /** Takes the next look; undefined of a VM that has been seen once, or whose machine is another one by now. */
  take(stats: readonly VmStats[]): Map<string, number> {
    const rates = new Map(stats.flatMap((now) => this.#rate(now)));
    this.#before = new Map(stats.map((each) => [each.vm.id, each]));
    return rates;
  }

  #rate(now: VmStats): [string, number][] {
    const before = this.#before.get(now.vm.id);
    if (before === undefined || before.host === null || now.host === null || before.vm.pid !== now.vm.pid)
      return [];
    const [used, passed] = [now.host.cpuMs - before.host.cpuMs, now.atMs - before.atMs];
    return passed > 0 && used >= 0 ? [[now.vm.id, (used / passed) * 100]] : [];
  }
}

export const statsHeader = ["CPU", "MEM", "GUEST MEM", "LOAD", "DISK", "NET IN/OUT", "UPTIME"];
/** In the order in which they go from a terminal that is too narrow. */
export const statsExpendable = ["NET IN/OUT", "LOAD", "UPTIME", "DISK", "GUEST MEM"];

/** In the order of the header; a dash where nothing is known. */
export function statsCells(stats: VmStats, cpuPercent: number | undefined): string[] {
  const { host, guest, disk, network, uptimeMs } = stats;
  const taken = disk.root.allocatedBytes + disk.work.allocatedBytes;
  const whole = disk.root.apparentBytes + disk.work.apparentBytes;
  return [
    cpuPercent === undefined ? "-" : `${cpuPercent.toFixed(cpuPercent < 10 ? 1 : 0)}%`,
    host === null ? "-" : formatBytes(host.ownBytes ?? host.residentBytes),
    guest === null
      ? "-"
      : ofWhole(guest.memoryTotalBytes - guest.memoryAvailableBytes, guest.memoryTotalBytes),
    guest === null ? "-" : guest.load[0].toFixed(2),
    ofWhole(taken, whole),
    network === null ? "-" : `${formatBytes(network.receivedBytes)} / ${formatBytes(network.sentBytes)}`,
    uptimeMs === null ? "-" : formatSpan(uptimeMs),
  ];
}

function ofWhole(part: number, whole: number): string {
  return `${formatBytes(Math.max(0, part))} / ${formatBytes(whole)}`;
}
