/** What a VM boots: an image, its kernel, and the initramfs that carries our init and agent. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { agentPath, initPath } from "../../host/embedded.ts";
import { readImage, type StoredImage, verifyImage } from "../../image/image.ts";
import {
  bootCmdline,
  moduleClosure,
  readKernel,
  type StoredKernel,
  storeInitramfs,
} from "../../kernel/kernel.ts";
import type { BootSource } from "../../vm/vm.ts";
import type { Stores } from "./rows.ts";

/** Assembling a boot source reads a megabyte of modules: once per image and daemon is enough. */
export function bootSources(
  stores: Stores,
  guestModules: readonly string[],
): (imageId: string, kernelId: string) => Promise<BootSource> {
  const sources = new Map<string, Promise<BootSource>>();
  return async (imageId, kernelId) => {
    const image = await readImage(stores.images, imageId);
    await verifyImage(image);
    const key = `${imageId} ${kernelId}`;
    const known = sources.get(key);
    // A kernel that was replaced by another build of the same has not got its initramfs yet.
    if (known !== undefined && existsSync((await known).initramfs)) return known;
    const made = readKernel(stores.kernels, kernelId).then((kernel) => assemble(image, kernel, guestModules));
    sources.set(key, made);
    made.catch(() => sources.delete(key));
    return made;
  };
}

async function assemble(
  image: StoredImage,
  kernel: StoredKernel,
  guestModules: readonly string[],
): Promise<BootSource> {
  await verifyImage(image);
  const [modules, init, agent] = await Promise.all([
    moduleClosure(kernel.modules, guestModules),
    readFile(initPath),
    readFile(agentPath),
  ]);
  return {
    image: { id: image.id, name: image.name },
    kernel: { id: kernel.id, name: kernel.name },
    rootfs: image.rootfs,
    vmlinux: kernel.vmlinux,
    initramfs: await storeInitramfs(kernel.directory, { modules, init, agent }),
    cmdline: bootCmdline,
    workSeed: image.seed,
  };
}
