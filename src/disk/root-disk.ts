/** The root disk of a VM: a base image that is never written, and a layer for the VM's own writes. */
import { open, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BangerError, formatBytes } from "../base/base.ts";
import { cloneFile, copySparse } from "../sys/sys.ts";
import { type AsideOptions, makeDisk } from "./aside.ts";
import type { RootDisk, RootDiskStrategy } from "./disk.ts";
import { emptyOverlay } from "./qcow2.ts";

/** The cheapest strategy that works in `dir`: reflinks, else a layer if the driver knows qcow2, else a sparse copy. */
export async function probeRootDiskStrategy(
  dir: string,
  driver: { qcow2: boolean },
): Promise<RootDiskStrategy> {
  const [one, two] = [join(dir, `.probe-${process.pid}-a`), join(dir, `.probe-${process.pid}-b`)];
  try {
    await writeFile(one, Buffer.alloc(4096, 1));
    const source = await open(one, "r");
    const target = await open(two, "w");
    try {
      if (cloneFile(target.fd, source.fd)) return "reflink";
    } finally {
      await source.close();
      await target.close();
    }
  } catch (error) {
    // A full disk does not say what it can; VMs that are there must be reached all the same, to be deleted.
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    for (const path of [one, two]) await unlink(path).catch(() => {});
  }
  return driver.qcow2 ? "overlay" : "copy";
}

export interface RootDiskRequest extends AsideOptions {
  /** Read-only ext4 image. */
  base: string;
  /** The VM's directory. */
  dir: string;
  /** What the guest sees; at least the base's size. For `snapshot`, what it may write: it sees the base's size. */
  sizeBytes: number;
  strategy: RootDiskStrategy;
}

/** Makes the disk. Throws bad_request when it would be smaller than the base. */
export async function createRootDisk(request: RootDiskRequest): Promise<RootDisk> {
  const { base, dir, sizeBytes, strategy } = request;
  const { size } = await stat(base);
  if (strategy === "snapshot") {
    const path = join(dir, "root.cow");
    const room = snapshotRoom(Math.min(sizeBytes, size));
    // Zeros are a layer in which nothing has been written (Documentation/admin-guide/device-mapper/snapshot.rst).
    await makeDisk(path, request, (file) => file.truncate(room));
    return { path, format: "raw", strategy };
  }
  if (sizeBytes < size) {
    throw new BangerError(
      "bad_request",
      `a root disk of ${formatBytes(sizeBytes)} is smaller than its image (${formatBytes(size)})`,
      { hint: "raise system_overlay_size" },
    );
  }
  if (strategy === "overlay") {
    const path = join(dir, "root.qcow2");
    await makeDisk(path, request, (file) => file.writeFile(emptyOverlay(base, sizeBytes)));
    return { path, format: "qcow2", strategy };
  }
  const path = join(dir, "root.img");
  const source = await open(base, "r");
  try {
    await makeDisk(path, request, async (target) => {
      if (strategy === "copy" || !cloneFile(target.fd, source.fd)) await copySparse(source, target, size);
      await target.truncate(sizeBytes);
    });
  } finally {
    await source.close();
  }
  return { path, format: "raw", strategy };
}

/** What a layer needs to hold `bytes` of the guest's writes: 16 bytes of index per chunk of at least 4 KiB, and a header. */
function snapshotRoom(bytes: number): number {
  return bytes + Math.ceil(bytes / 256 / 4096) * 4096 + 1024 * 1024;
}
