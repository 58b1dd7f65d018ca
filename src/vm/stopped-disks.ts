/** What the disks of a VM are while nothing of it runs. */
import { BangerError, type VmId } from "../base/base.ts";
import type { LayeredDisk } from "../disk/disk.ts";
import type { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import { vmFiles } from "./layout.ts";
import { workDiskOf } from "./steps/frozen-disks.ts";

export interface StoppedDisks {
  root: LayeredDisk;
  work: LayeredDisk;
}

/** `body` with the disks of a VM, to which nothing is done meanwhile. Throws precondition unless it has been stopped. */
export type WithDisks = <T>(id: VmId, body: (vm: VmRecord, disks: StoppedDisks) => Promise<T>) => Promise<T>;

export function withDisks(
  deps: Pick<VmDeps, "paths" | "bootSource">,
  locked: <T>(id: VmId, body: (vm: VmRecord) => Promise<T>) => Promise<T>,
): WithDisks {
  return (id, body) =>
    locked(id, async (vm) => {
      const { rootfs } = await deps.bootSource(vm.image.id, vm.kernel.id);
      return await body(vm, stoppedDisks(deps, vm, rootfs));
    });
}

/** `rootfs` is its image's. What is in memory is on no disk. */
function stoppedDisks({ paths }: Pick<VmDeps, "paths">, vm: VmRecord, rootfs: string): StoppedDisks {
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
