/**
 * Saving a machine (docs/snapshotting/snapshot-support.md of Firecracker): halted, it writes the state of its devices and
 * all of its memory to two files, here in its run directory, which is all of the host that it can write to. Copies of these
 * are what is kept: files that no VMM has ever had open, and without the zeros, which Firecracker writes too.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { BangerError } from "../../base/base.ts";
import { copyDisk } from "../../disk/disk.ts";
import { FirecrackerApi } from "./api.ts";
import { runFiles } from "./jailer.ts";
import { request } from "./requests.ts";

/** As much as it takes to write all of a guest's memory to a slow disk. */
const saveMs = 600_000;

interface Run {
  /** Its run directory as this process sees it, and as Firecracker does. */
  here: string;
  there: string;
}

/** When this fails there is no state file at `to`; the machine is halted, or not, and of no use but to be ended. */
export async function save(
  { here, there }: Run,
  to: { state: string; memory: string },
  signal?: AbortSignal,
): Promise<void> {
  const api = new FirecrackerApi(runFiles(here).api);
  await api.send(request.vm({ state: "Paused" }), signal);
  const { state: snapshot_path, memory: mem_file_path } = runFiles(there);
  await api.send(
    request.createSnapshot({ snapshot_type: "Full", snapshot_path, mem_file_path }),
    signal,
    saveMs,
  );
  const written = runFiles(here);
  for (const name of ["memory", "state"] as const) {
    await expectFile(written[name]);
    await copyDisk(written[name], to[name], { durable: false, ...(signal && { signal }) });
  }
}

/** In the jail names are the VMM's: a FIFO among them would hold us up. */
async function expectFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const found = await file.stat().finally(() => file.close());
  if (!found.isFile()) throw new BangerError("guest_failed", `the saved ${path} is no regular file`);
}
