/** vm.* methods: references in, step lists in the vm room, records out. */
import { BangerError, toBangerError, type VmId } from "../../base/base.ts";
import type { CallContext, Handlers, LifecycleEvent, Result, Vm } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import { hostAlias, resolveRef, vmFiles, WorkspaceFailed } from "../../vm/vm.ts";
import type { Parts } from "../parts.ts";
import { goingBySsh } from "./going-by-ssh.ts";
import { stageObserver } from "./stages.ts";
import { vmInfo } from "./vm-info.ts";
import { vmLog } from "./vm-log.ts";

type VmMethods =
  | "vm.create"
  | "vm.start"
  | "vm.stop"
  | "vm.restart"
  | "vm.set"
  | "vm.kill"
  | "vm.delete"
  | "vm.list"
  | "vm.show"
  | "vm.resolve"
  | "vm.logs"
  | "vm.ssh";
type Lifecycle = CallContext<LifecycleEvent>;

export function vmHandlers(parts: Parts): Pick<Handlers, VmMethods> {
  const { vms } = parts;
  const options = (ctx: Lifecycle, id?: VmId) => ({
    signal: ctx.signal,
    observe: stageObserver(ctx.emit, () => (id && parts.state.vms.get(id)?.start) ?? null),
    warn: (message: string) => ctx.emit({ kind: "warning", message }),
  });
  /** A call that may talk to the guest: the user is told when it goes by ssh. */
  const told = async (id: VmId, ctx: Lifecycle, call: () => Promise<VmRecord>): Promise<Vm> => {
    const tell = () => ctx.emit({ kind: "warning", message: goingBySsh });
    const stop = parts.runtimes.onFallback(id, tell);
    if (parts.runtimes.current(id)?.channel === "ssh") tell();
    return show(await call().finally(stop));
  };
  const show = (vm: VmRecord): Vm => vmInfo(parts, vm);
  const withUse = async (vm: VmRecord): Promise<Vm> => {
    parts.names.told(vm);
    return {
      ...show(vm),
      cost: await vms.live.cost(vm),
      layer: (vm.state === "running" ? await parts.devices.layerOf(vm.id) : undefined) ?? null,
    };
  };
  return {
    "vm.create": async (params, ctx) => {
      // A key of the user's own that cannot be used is better known before a VM is made than after.
      await parts.ssh.identityFile();
      const imageName = params.image ?? parts.config.default_image_name;
      const source = await parts.boot.ensure(imageName, {
        signal: ctx.signal,
        emit: ctx.emit,
      });
      const defaults = parts.defaults();
      const spec = {
        vcpu: params.vcpu ?? defaults.vcpu.value,
        memoryMiB: params.memoryMiB ?? defaults.memoryMiB.value,
        diskBytes: params.diskBytes ?? defaults.diskBytes.value,
        overlayBytes: params.overlayBytes ?? defaults.overlayBytes.value,
        nat: params.nat ?? false,
      };
      for (const message of await parts.spaceWarnings(spec)) ctx.emit({ kind: "warning", message });
      const input = {
        ...{ name: params.name, source, spec, ephemeral: params.ephemeral, willStart: params.start },
        bare: params.bare ?? false,
        ...{ workspace: (params.workspace ?? false) && params.start, cold: params.cold ?? false },
      };
      // A name that is being given up is free in a moment.
      if (params.name !== undefined) await vms.leaving.gone(ctx.signal);
      const made = await vms.create(input, options(ctx), (vm) =>
        ctx.emit({ kind: "reserved", vm: show(vm) }),
      );
      const tie = params.ephemeral ? deleteWithConnection(parts, made.id, ctx) : undefined;
      if (!params.start) return show(made);
      try {
        return await told(made.id, ctx, () => vms.start(made.id, options(ctx, made.id)));
      } catch (error) {
        // Cancelled, or without the workspace it was for: nobody wants it any more. Failed in the guest: it stays, so that its
        // logs can be read.
        const unwanted =
          ctx.signal.aborted ||
          error instanceof WorkspaceFailed ||
          (params.ephemeral && toBangerError(error).code !== "guest_failed");
        if (unwanted) await vms.delete(made.id, { signal: new AbortController().signal });
        else tie?.cut();
        throw error;
      }
    },
    "vm.start": async ({ ref }, ctx) => {
      const { id } = vms.find(ref);
      return told(id, ctx, () => vms.start(id, options(ctx, id)));
    },
    "vm.stop": async ({ ref }, ctx) => {
      const { id } = vms.find(ref);
      return told(id, ctx, () => vms.stop(id, options(ctx)));
    },
    "vm.restart": async ({ ref }, ctx) => {
      const { id } = vms.find(ref);
      return told(id, ctx, () => vms.restart(id, options(ctx)));
    },
    "vm.set": async ({ ref, ...change }, ctx) => show(await vms.set(vms.find(ref).id, change, options(ctx))),
    "vm.kill": async ({ ref, signal }, ctx) => show(await vms.kill(vms.find(ref).id, signal, options(ctx))),
    "vm.delete": async ({ ref, idle, soon }, ctx) => {
      const atOnce = soon === true && idle !== true;
      if (!atOnce) await vms.leaving.gone(ctx.signal);
      const { id } = vms.find(ref);
      if (atOnce) await vms.deleteSoon(id, options(ctx));
      else await vms.delete(id, options(ctx), { onlyIdle: idle === true });
      return {};
    },
    "vm.list": async () => Promise.all(vms.list().map(withUse)),
    "vm.show": async ({ ref }) => withUse(vms.find(ref)),
    "vm.resolve": async ({ refs }) => {
      const snapshot = vms.list();
      const seen = new Set<VmId>();
      return refs.flatMap((ref): Result<"vm.resolve"> => {
        try {
          const vm = resolveRef(ref, snapshot);
          if (seen.has(vm.id)) return [];
          seen.add(vm.id);
          return [{ ref, vm: show(vm) }];
        } catch (error) {
          const { code, message, hint } = toBangerError(error);
          return [{ ref, error: { code, message, ...(hint === undefined ? {} : { hint }) } }];
        }
      });
    },
    "vm.logs": async ({ ref, ...wanted }, ctx) => {
      const write = await vmLog(parts, { id: vms.find(ref).id, ...wanted });
      return { ticket: ctx.ticket(write) };
    },
    "vm.ssh": async ({ ref }, ctx) => {
      const vm = await vms.reach(ref, { signal: ctx.signal });
      if (vm.state !== "running") {
        throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}, not running`, {
          hint:
            vm.state === "paused"
              ? `let it go on: banger vm resume ${vm.name}`
              : `start it first: banger vm start ${vm.name}`,
        });
      }
      return {
        vm: show(vm),
        user: "root",
        identityFile: await parts.ssh.identityFile(),
        knownHostsFile: vmFiles(parts.paths.vm, vm.id).knownHosts,
        hostAlias: hostAlias(vm.name),
      };
    },
  };
}

/** `--rm`: however the client ends, its VM goes with it; unless the tie is cut, because its logs are worth more. */
function deleteWithConnection(parts: Parts, id: VmId, ctx: Lifecycle): { cut(): void } {
  let tied = true;
  void ctx.connectionClosed.then(async () => {
    if (!tied) return;
    try {
      await parts.vms.deleteSoon(id, { signal: new AbortController().signal });
    } catch (error) {
      parts.log.error("an ephemeral VM could not be deleted", { vm: id, error: String(error) });
    }
  });
  return {
    cut: () => {
      tied = false;
      parts.vms.keep(id);
    },
  };
}
