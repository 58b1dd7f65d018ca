/** The states of a VM and the ways between them: the only place that knows them. */
import { BangerError, type VmName, type VmState } from "../base/base.ts";

export type VmEvent = "start" | "started" | "start_failed" | "start_undone" | "stop" | "stopped" | "vmm_died";

const transitions = {
  created: { start: "starting" },
  starting: { started: "running", start_failed: "error", start_undone: "stopped", stopped: "stopped" },
  running: { stop: "stopping", start_undone: "stopped", stopped: "stopped", vmm_died: "stopped" },
  stopping: { stop: "stopping", stopped: "stopped", vmm_died: "stopped" },
  stopped: { start: "starting", stopped: "stopped" },
  error: { start: "starting", stopped: "stopped" },
} as const satisfies Record<VmState, Partial<Record<VmEvent, VmState>>>;

/** The state after `event`. Throws precondition when the state has no such way out. */
export function transition(vm: { name: VmName; state: VmState }, event: VmEvent): VmState {
  const ways: Partial<Record<VmEvent, VmState>> = transitions[vm.state];
  const next = ways[event];
  if (next !== undefined) return next;
  throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}`, { hint: advice(vm, event) });
}

function advice(vm: { name: VmName; state: VmState }, event: VmEvent): string {
  if (event === "stop") return `nothing of it runs; to remove it: banger vm delete ${vm.name}`;
  if (vm.state === "running")
    return `a shell in it: banger vm ssh ${vm.name}; or boot it anew: banger vm restart ${vm.name}`;
  return `wait until it is done, then look: banger vm show ${vm.name}`;
}

/** Nothing of it runs, and nothing is on the way to. */
export function isIdle({ state }: { state: VmState }): boolean {
  return state === "created" || state === "stopped" || state === "error";
}
