/** Changing what a VM is. After a crash gone through again: a disk that has grown has grown. */
import { z } from "zod";
import { BangerError, formatBytes } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import { growWorkDisk } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { getVm, updateVm } from "../rows.ts";
import { isIdle } from "../states.ts";

export const SpecChange = VmRecord.shape.spec
  .pick({ vcpu: true, memoryMiB: true, diskBytes: true, nat: true })
  .partial();
export type SpecChange = z.infer<typeof SpecChange>;

/**
 * Throws precondition for what cannot change while the VM runs (its egress can, where the host's network is between:
 * `liveEgress`), bad_request for a disk that would shrink.
 */
export function checkChange(vm: VmRecord, change: SpecChange, liveEgress: boolean): void {
  const { nat: _nat, ...atRest } = change;
  const live = liveEgress && Object.values(atRest).every((value) => value === undefined);
  if (!live && !isIdle(vm)) {
    throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}: it must be stopped for that`, {
      hint: `stop it first: banger vm stop ${vm.name}`,
    });
  }
  if (change.diskBytes !== undefined && vm.workDisk !== null && change.diskBytes !== vm.spec.diskBytes) {
    throw new BangerError(
      "precondition",
      `the work disk of VM ${vm.name} cannot grow: it is a layer over one that forks or snapshots have in common`,
      {
        hint: "a VM that is made larger from the start: banger vm create --disk-size; take the files over, then delete this one",
      },
    );
  }
  if (change.diskBytes === undefined || change.diskBytes >= vm.spec.diskBytes) return;
  const has = formatBytes(vm.spec.diskBytes);
  throw new BangerError("bad_request", `the work disk of VM ${vm.name} has ${has}: it can grow, not shrink`);
}

const SetInput = z.strictObject({ id: VmId, change: SpecChange });
type SetInput = z.infer<typeof SetInput>;
const nothing = z.strictObject({});

const workDisk: Step<VmContext, SetInput, object> = {
  name: "work_disk",
  output: nothing,
  do: async ({ id, deps }, { change }, signal) => {
    if (change.diskBytes !== undefined)
      await growWorkDisk(vmFiles(deps.paths, id).workDisk, change.diskBytes, signal);
    return {};
  },
};

const egress: Step<VmContext, SetInput, object> = {
  name: "egress",
  output: nothing,
  do: async ({ id, deps }, { change }) => {
    const vm = getVm(deps.state, id);
    if (change.nat !== undefined && vm.state === "running") await deps.devices.setEgress(id, change.nat);
    return {};
  },
};

const record: Step<VmContext, SetInput, object> = {
  name: "record",
  output: nothing,
  do: async ({ id, deps }, { change }) => {
    const { spec } = getVm(deps.state, id);
    const {
      vcpu = spec.vcpu,
      memoryMiB = spec.memoryMiB,
      diskBytes = spec.diskBytes,
      nat = spec.nat,
    } = change;
    const changed = { ...spec, vcpu, memoryMiB, diskBytes, nat };
    deps.state.durably(() => updateVm(deps.state, deps.paths, id, { spec: changed }));
    return {};
  },
};

export const setSteps = steps<VmContext, SetInput>("vm.set", "redo", SetInput)
  .step(workDisk)
  .step(egress)
  .step(record);
