/** The work disk: a sparse ext4 file, mounted at /root in the guest, which survives stop and start. */
import { open, rename, unlink } from "node:fs/promises";
import { BangerError, wrap } from "../base/base.ts";
import { run, runChecked } from "../sys/sys.ts";

/** Below this an ext4 with a journal has no room for anything. */
const smallestBytes = 16 * 1024 * 1024;

export interface WorkDiskRequest {
  path: string;
  sizeBytes: number;
  /** A directory whose content becomes the root's of the new file system; absent = empty. */
  seedDir?: string;
  signal?: AbortSignal;
}

/** Makes the disk without mounting anything. It appears under its name only when it is whole. */
export async function createWorkDisk({ path, sizeBytes, seedDir, signal }: WorkDiskRequest): Promise<void> {
  if (sizeBytes < smallestBytes) {
    throw new BangerError("bad_request", `a work disk of ${sizeBytes} bytes is too small`, {
      hint: "give at least 16M: --disk-size 8G",
    });
  }
  const aside = `${path}.new`;
  try {
    const file = await open(aside, "w", 0o600);
    await file.truncate(sizeBytes);
    await file.close();
    await runChecked("mke2fs", mke2fsArguments(aside, seedDir), {
      ...(signal === undefined ? {} : { signal }),
    });
    await rename(aside, path);
  } catch (error) {
    await unlink(aside).catch(() => {
      // It may never have been made.
    });
    throw wrap(error, "the work disk could not be made");
  }
}

/** Never a block count: mke2fs takes the file's size, and its units have misled others. */
function mke2fsArguments(path: string, seedDir: string | undefined): string[] {
  const seed = seedDir === undefined ? [] : ["-d", seedDir];
  const extended = "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard";
  return ["-q", "-F", "-t", "ext4", "-L", "banger-work", "-m", "0", "-E", extended, ...seed, path];
}

/** Makes a work disk larger; the VM must not be running. Throws bad_request for a smaller size. */
export async function growWorkDisk(path: string, sizeBytes: number, signal?: AbortSignal): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    if (sizeBytes < size) throw new BangerError("bad_request", "a work disk can grow, not shrink");
    await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
  const options = signal === undefined ? {} : { signal };
  // 1: errors were corrected. Anything above means that the file system is not in order.
  const check = await run("e2fsck", ["-f", "-p", path], options);
  if (check.status > 1)
    throw new BangerError("corrupt", `e2fsck found ${path} damaged: ${check.stderr.trim()}`);
  await runChecked("resize2fs", [path], options);
}
