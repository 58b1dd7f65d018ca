/** What a VM takes of its host, and how much of that it shares with its template, its forks, its snapshots. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { VmRecord } from "../../state/state.ts";
import { allocated, memoryUse } from "../../sys/sys.ts";
import { memoryName, stateName } from "../../warm/warm.ts";
import type { VmDeps } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { workDiskOf } from "../steps/frozen-disks.ts";

export interface Cost {
  /** Of its machine, the VMM included; null where there is none, or nobody may look. */
  memory: { ownBytes: number; sharedBytes: number } | null;
  disk: { ownBytes: number; sharedBytes: number };
}

export async function costOf(
  { paths, checkpoints }: Pick<VmDeps, "paths" | "checkpoints">,
  vm: VmRecord,
): Promise<Cost> {
  const own = [vm.rootDisk?.path ?? [], workDiskOf(vm, vmFiles(paths, vm.id)).path].flat();
  const layers = await Promise.all(
    vm.layers.map(async (id) => {
      const dir = checkpoints.directory(id);
      const names = await readdir(dir).catch(() => []);
      return names.filter((name) => name !== memoryName && name !== stateName).map((name) => join(dir, name));
    }),
  );
  const memory = vm.machine === null ? undefined : await memoryUse(vm.machine.process.pid);
  return {
    memory: memory === undefined ? null : { ownBytes: memory.ownBytes, sharedBytes: memory.sharedBytes },
    disk: { ownBytes: await allocated(own), sharedBytes: await allocated(layers.flat()) },
  };
}
