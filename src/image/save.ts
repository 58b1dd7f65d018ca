/** A VM's disks, as an image of their own. */
import { createHash, randomUUID } from "node:crypto";
import { chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import { flattenDisk, type LayeredDisk } from "../disk/disk.ts";
import { stageDirectory } from "../sys/sys.ts";
import { rootfsName, type StoredImage, sealImage, workName } from "./store.ts";

export interface Saving {
  /** In the store. */
  name: string;
  /** The VM's name, and what it was made of. */
  vm: string;
  image: StoredImage;
  /** Nobody writes them meanwhile. */
  root: LayeredDisk;
  work: LayeredDisk;
  signal: AbortSignal;
  progress(message: string): void;
}

/** Into `imagesDir`; gives the finished directory. A killed one leaves a staging directory alone. Throws as flattenDisk. */
export function saveImage(saving: Saving, imagesDir: string): Promise<string> {
  const { name, vm, image, root, work, signal, progress } = saving;
  return stageDirectory(imagesDir, async (staging) => {
    progress("copying the root disk");
    await flattenDisk(root, join(staging, rootfsName), { durable: false, signal });
    progress("copying the work disk");
    const workDisk = join(staging, workName);
    await flattenDisk(work, workDisk, { durable: true, signal });
    await chmod(workDisk, 0o400);
    // No two moments of a VM are the same image.
    const digest = createHash("sha256").update(randomUUID()).digest("hex");
    await sealImage(staging, {
      id: `sha256:${digest}`,
      ...{ name, revision: 0, distro: image.distro, arch: image.arch, kernel: image.kernel },
      workBytes: (await stat(workDisk)).size,
      origin: { kind: "saved", vm },
      ...(image.oci === undefined ? {} : { oci: image.oci }),
    });
    return digest;
  });
}
