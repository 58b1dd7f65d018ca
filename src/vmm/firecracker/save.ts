/**
 * Saving a machine (docs/snapshotting/snapshot-support.md of Firecracker): halted, it writes the state of its devices and
 * all of its memory to two files, here in its run directory, which is all of the host that it can write to. Copies of these
 * are what is kept: files that no VMM has ever had open, and without the zeros, which Firecracker writes too.
 */
import { constants, readlinkSync } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { copyOpened } from "../../disk/disk.ts";
import { FirecrackerApi } from "./api.ts";
import { names, runFiles } from "./jailer.ts";
import { request } from "./requests.ts";

/** As much as it takes to write all of a guest's memory to a slow disk. */
const saveMs = 600_000;

export interface Run {
  /** Its run directory as this process sees it, and as Firecracker does. */
  here: string;
  there: string;
}

export interface SavedFiles {
  state: string;
  memory: string;
}

/** When this fails there is no state file at `to`; the machine is halted, or not, and of no use but to be ended. */
export async function save({ here, there }: Run, to: SavedFiles, signal?: AbortSignal): Promise<void> {
  const api = new FirecrackerApi(runFiles(here).api);
  await api.send(request.vm({ state: "Paused" }), signal);
  await writeSaved(api, there, signal);
  await takeSaved(here, to, signal);
}

/** Has a machine that is halted write both files into its run directory. */
export async function writeSaved(api: FirecrackerApi, there: string, signal?: AbortSignal): Promise<void> {
  const { state: snapshot_path, memory: mem_file_path } = runFiles(there);
  await api.send(
    request.createSnapshot({ snapshot_type: "Full", snapshot_path, mem_file_path }),
    signal,
    saveMs,
  );
}

/** Copies what it wrote there. */
export async function takeSaved(here: string, to: SavedFiles, signal?: AbortSignal): Promise<void> {
  await inRun(here, async (run) => {
    for (const name of ["memory", "state"] as const) {
      const written = await openSaved(join(run, names[name]), name);
      try {
        await copyOpened(written, to[name], { durable: false, ...(signal && { signal }) });
      } finally {
        await written.close();
      }
    }
  });
}

/** Removes what it wrote there, which takes as much of the disk as all of its memory. Absent is success. */
export async function forgetSaved(here: string): Promise<void> {
  await inRun(here, async (run) => {
    for (const name of ["memory", "state"] as const) {
      await unlink(join(run, names[name])).catch(() => {
        // It was never written, or is gone with its jail.
      });
    }
  });
}

/**
 * With the run directory by its descriptor: it is in a directory of the VMM's, and one that its guest has taken over could
 * put a link in its place, to lead us to other machines' files.
 */
async function inRun<T>(here: string, act: (run: string) => Promise<T>): Promise<T> {
  let directory: FileHandle;
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  try {
    directory = await open(placeOf(here), flags);
  } catch (cause) {
    throw new BangerError("guest_failed", `there is no run directory at ${here}`, { cause });
  }
  try {
    return await act(`/proc/self/fd/${directory.fd}`);
  } finally {
    await directory.close();
  }
}

/** `here` itself is a link of ours where the directory is in a jail. */
function placeOf(here: string): string {
  try {
    return readlinkSync(here);
  } catch {
    // No link.
    return here;
  }
}

/** In the jail names are the VMM's, from one moment to the next: a FIFO among them would hold us up. */
async function openSaved(path: string, name: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new BangerError("guest_failed", `the saved ${name} is no regular file`);
}
