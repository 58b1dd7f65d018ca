/** vm.stats and events.follow: for those who watch. Neither counts as a use of a VM. */
import type { Handlers, VmStats } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import type { Traffic } from "../../vm/vm.ts";
import type { Parts } from "../parts.ts";
import { vmInfo } from "./vm-info.ts";

export function watchHandlers(parts: Parts): Pick<Handlers, "vm.stats" | "events.follow"> {
  const { vms, devices, happenings } = parts;
  return {
    "vm.stats": async ({ refs, guest }) => {
      const asked = refs.length === 0 ? vms.list() : refs.map((ref) => vms.find(ref));
      const distinct = [...new Map(asked.map((vm) => [vm.id, vm])).values()];
      const traffic = (await devices.traffic?.()) ?? new Map();
      return Promise.all(distinct.map((vm) => statsOf(parts, vm, { guest, traffic })));
    },
    "events.follow": async ({ sinceMs, follow }, ctx) => {
      const { signal } = ctx;
      await happenings.tell({ sinceMs, follow, signal, emit: ctx.emit, ready: ctx.ready });
      return {};
    },
  };
}

async function statsOf(
  parts: Parts,
  vm: VmRecord,
  of: { guest: boolean; traffic: ReadonlyMap<string, Traffic> },
): Promise<VmStats> {
  const sample = await parts.vms.live.stats(vm, of);
  const since = vm.machine === null || vm.startedAt === null ? undefined : Date.parse(vm.startedAt);
  return {
    vm: vmInfo(parts, vm),
    ...sample,
    uptimeMs: since === undefined ? null : Math.max(0, Date.now() - since),
    network: of.traffic.get(vm.id) ?? null,
  };
}
