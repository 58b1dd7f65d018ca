/** Which checkpoints somebody still needs: rows say so, so that no count can be wrong after a crash. */
import { readdirSync } from "node:fs";
import { z } from "zod";
import { VmId } from "../../base/ids.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmDeps } from "../deps.ts";

/** What is written into a snapshot's manifest: enough to make its VM what it was. */
export const SnapshotAbout = z.strictObject({
  vm: VmId,
  name: z.string(),
  spec: VmRecord.shape.spec,
  rootDisk: VmRecord.shape.rootDisk.unwrap(),
  workDisk: VmRecord.shape.workDisk.unwrap().unwrap(),
  /** The snapshot's own is the last. */
  layers: z.array(z.uuid()),
});
export type SnapshotAbout = z.infer<typeof SnapshotAbout>;

/** Removes all that is of no use to any VM that is there. */
export async function sweepCheckpoints({ state, checkpoints, paths }: VmDeps): Promise<void> {
  // A database that was damaged may have lost rows for good whose disks are still to be rescued; and so has each directory
  // that was set aside, which may stand on any of them.
  if (state.setAside !== undefined || readdirSync(paths.vms).some((name) => name.endsWith(".lost"))) return;
  const vms = state.vms.list();
  const known = new Set(vms.map(({ id }) => id));
  const snapshots = (await checkpoints.list()).flatMap(({ id, about }) => {
    const { data } = SnapshotAbout.safeParse(about);
    return data !== undefined && known.has(data.vm) ? [{ id, ...data }] : [];
  });
  const all = new Set([
    ...vms.flatMap(({ checkpoint }) => checkpoint?.id ?? []),
    ...snapshots.map(({ id }) => id),
  ]);
  const disks = new Set([...vms, ...snapshots].flatMap(({ layers }) => layers));
  await checkpoints.sweep((id, { damaged }) => {
    // It may be anybody's snapshot: it stays for as long as there is somebody whose it could be.
    if (all.has(id) || (damaged && vms.length > 0)) return "all";
    return disks.has(id) ? "disks" : "nothing";
  });
}
