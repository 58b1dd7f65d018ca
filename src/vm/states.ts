/** The states of a VM and the ways between them: the only place that knows them. */
import { BangerError, type VmName, type VmState } from "../base/base.ts";

export type VmEvent =
  | "start"
  | "started"
  | "start_failed"
  | "start_undone"
  | "pause"
  | "resume"
  | "suspend"
  | "stop"
  | "stopped"
  | "vmm_died";

const transitions = {
  created: { start: "starting" },
  starting: { started: "running", start_failed: "error", start_undone: "stopped", stopped: "stopped" },
  running: {
    pause: "paused",
    suspend: "suspended",
    stop: "stopping",
    start_undone: "stopped",
    stopped: "stopped",
    vmm_died: "stopped",
  },
  paused: {
    resume: "running",
    suspend: "suspended",
    stop: "stopping",
    stopped: "stopped",
    vmm_died: "stopped",
  },
  // It has no machine; its memory is in a checkpoint.
  suspended: { start: "starting", stop: "stopping", stopped: "stopped" },
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
  if (vm.state === "paused") return `let it go on: banger vm resume ${vm.name}`;
  if (event === "resume" && vm.state === "running") return "nothing is to be done";
  if (event === "resume" || ((event === "pause" || event === "suspend") && isIdle(vm)))
    return `start it: banger vm start ${vm.name}`;
  if (vm.state === "suspended") return `let it go on: banger vm start ${vm.name}`;
  if (event === "stop") return `nothing of it runs; to remove it: banger vm delete ${vm.name}`;
  if (vm.state === "running")
    return `a shell in it: banger vm ssh ${vm.name}; or boot it anew: banger vm restart ${vm.name}`;
  return `wait until it is done, then look: banger vm show ${vm.name}`;
}

/** Nothing of it runs, and nothing is on the way to. */
export function isIdle({ state }: { state: VmState }): boolean {
  return state === "created" || state === "stopped" || state === "error";
}
