/** What the disks of a VM are while nothing of it runs. */
import { BangerError } from "../base/base.ts";
import type { LayeredDisk } from "../disk/disk.ts";
import type { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import { vmFiles } from "./layout.ts";
import { workDiskOf } from "./steps/frozen-disks.ts";

export interface StoppedDisks {
  root: LayeredDisk;
  work: LayeredDisk;
}

/** `rootfs` is its image's. Throws precondition unless the VM has been stopped: what is in memory is on no disk. */
export function stoppedDisks({ paths }: Pick<VmDeps, "paths">, vm: VmRecord, rootfs: string): StoppedDisks {
  if (vm.state !== "stopped" || vm.rootDisk === null) {
    throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}`, {
      hint:
        vm.state === "created"
          ? `it has not run yet: banger vm start ${vm.name}`
          : `stop it first: banger vm stop ${vm.name}`,
    });
  }
  const { path, format, strategy } = vm.rootDisk;
  return {
    root: strategy === "snapshot" ? { store: path, base: rootfs } : { path, format },
    work: workDiskOf(vm, vmFiles(paths, vm.id)),
  };
}
