/** A VM's disks, as an image of their own. */
import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { flattenDisk, type LayeredDisk } from "../disk/disk.ts";
import { stageDirectory } from "../sys/sys.ts";
import { type ImageOrigin, rootfsName, type StoredImage, sealImage, seedName, workName } from "./store.ts";

export interface Saving {
  /** In the store. */
  name: string;
  origin: ImageOrigin;
  /** What the VM was made of. */
  image: StoredImage;
  /** Nobody writes them meanwhile. */
  root: LayeredDisk;
  /** Undefined: /root begins empty, as that of an import. */
  work: LayeredDisk | undefined;
  signal: AbortSignal;
  progress(message: string): void;
}

/** Into `imagesDir`; gives the finished directory. A killed one leaves a staging directory alone. Throws as flattenDisk. */
export function saveImage(saving: Saving, imagesDir: string): Promise<string> {
  const { name, origin, image, root, work, signal, progress } = saving;
  return stageDirectory(imagesDir, async (staging) => {
    progress("copying the root disk");
    await flattenDisk(root, join(staging, rootfsName), { durable: false, signal });
    const workBytes = work === undefined ? undefined : await saveWorkDisk(work, staging, saving);
    if (work === undefined) await mkdir(join(staging, seedName), { mode: 0o700 });
    // No two moments of a VM are the same image.
    const digest = createHash("sha256").update(randomUUID()).digest("hex");
    await sealImage(staging, {
      id: `sha256:${digest}`,
      name,
      revision: 0,
      distro: image.distro,
      arch: image.arch,
      kernel: image.kernel,
      ...(workBytes === undefined ? {} : { workBytes }),
      origin,
      ...(image.oci === undefined ? {} : { oci: image.oci }),
    });
    return digest;
  });
}

/** Gives its size in bytes. */
async function saveWorkDisk(
  work: LayeredDisk,
  staging: string,
  { signal, progress }: Saving,
): Promise<number> {
  progress("copying the work disk");
  const path = join(staging, workName);
  await flattenDisk(work, path, { durable: true, signal });
  await chmod(path, 0o400);
  return (await stat(path)).size;
}
