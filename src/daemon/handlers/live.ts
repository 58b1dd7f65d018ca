/** vm.* methods for VMs that run. */
import type { CallContext, Handlers, LifecycleEvent } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";
import { stageObserver } from "./stages.ts";
import { vmInfo } from "./vm-info.ts";

type LiveMethods =
  | "vm.pause"
  | "vm.resume"
  | "vm.suspend"
  | "vm.fork"
  | `snapshot.${"create" | "list" | "restore" | "delete"}`;

export function liveHandlers(parts: Parts): Pick<Handlers, LiveMethods> {
  const { vms } = parts;
  const options = (ctx: CallContext<LifecycleEvent>) => ({
    signal: ctx.signal,
    observe: stageObserver(ctx.emit, () => ({ how: "resumed" })),
    warn: (message: string) => ctx.emit({ kind: "warning", message }),
  });
  return {
    "vm.pause": async ({ ref }, ctx) => vmInfo(parts, await vms.live.pause(vms.find(ref).id, options(ctx))),
    "vm.fork": async ({ ref, name, count }, ctx) => {
      const made = await vms.live.fork(vms.find(ref).id, { name, count }, options(ctx));
      return { haltedMs: made.haltedMs, vms: made.vms.map((vm) => vmInfo(parts, vm)) };
    },
    "vm.suspend": async ({ ref }, ctx) =>
      vmInfo(parts, await vms.live.suspend(vms.find(ref).id, options(ctx))),
    "snapshot.create": ({ ref, name }, ctx) => vms.live.snapshot(vms.find(ref).id, name, options(ctx)),
    "snapshot.list": ({ ref }) => vms.live.snapshots(ref === undefined ? undefined : vms.find(ref).id),
    "snapshot.restore": async ({ ref, name }, ctx) =>
      vmInfo(parts, await vms.live.restore(vms.find(ref).id, name, options(ctx))),
    "snapshot.delete": async ({ ref, name }) => {
      await vms.live.removeSnapshot(vms.find(ref).id, name);
      return {};
    },
    "vm.resume": async ({ ref }, ctx) => vmInfo(parts, await vms.live.resume(vms.find(ref).id, options(ctx))),
  };
}
