/** What people are told of a VM. */
import type { Vm } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import { coldReasons, isAsleep, vmFiles } from "../../vm/vm.ts";
import type { Parts } from "../parts.ts";
import { agentSilent } from "./going-by-ssh.ts";

function channelOf({ runtimes }: Parts, { id }: VmRecord): Vm["channel"] {
  const by = runtimes.channel(id);
  return by === undefined ? null : { by, because: by === "ssh" ? agentSilent : null };
}

export function vmInfo(parts: Parts, vm: VmRecord): Vm {
  const {
    rootDisk: _disk,
    machine,
    machineId: _machineId,
    address: _address,
    warm: _warm,
    start,
    workDisk: _work,
    layers: _layers,
    checkpoint: _checkpoint,
    ...shared
  } = vm;
  const used = parts.vms.touches.last(vm.id);
  return {
    ...shared,
    usedAt: used === undefined ? null : new Date(used).toISOString(),
    asleep: isAsleep(vm),
    ip: parts.names.addressOf(vm),
    pid: machine?.process.pid ?? null,
    start: start?.how === "cold" ? { ...start, why: coldReasons[start.why] } : start,
    channel: channelOf(parts, vm),
    consoleLog: vmFiles(parts.paths.vm, vm.id).consoleLog,
    layer: null,
    cost: null,
  };
}
