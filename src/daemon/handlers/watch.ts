/** What those ask who watch. Nothing of it counts as a use of a VM. */
import { BangerError } from "../../base/base.ts";
import type { Handlers, VmStats } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import type { Traffic } from "../../vm/vm.ts";
import type { Parts } from "../parts.ts";
import { vmInfo } from "./vm-info.ts";

/** A guest that takes longer is not well. In ms. */
const pingMs = 10_000;

export function watchHandlers(parts: Parts): Pick<Handlers, "vm.stats" | "vm.ping" | "events.follow"> {
  const { vms, devices, happenings, runtimes } = parts;
  return {
    "vm.ping": async ({ ref }, ctx) => {
      const vm = vms.find(ref);
      const late = AbortSignal.timeout(pingMs);
      const signal = AbortSignal.any([ctx.signal, late]);
      try {
        const session = await runtimes.session(vm, signal);
        const began = performance.now();
        await session.ping(signal);
        return { by: session.channel, ms: performance.now() - began };
      } catch (error) {
        if (!late.aborted || ctx.signal.aborted) throw error;
        throw new BangerError("timeout", `the guest of ${vm.name} has not answered for ${pingMs / 1000} s`, {
          hint: `look at its console: banger vm logs ${vm.name}`,
          cause: error,
        });
      }
    },
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
