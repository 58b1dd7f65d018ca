/** A request's names, looked up in the catalog and the store, and built. */
import { basename } from "node:path";
import { debianMirror } from "../apt/apt.ts";
import { BangerError } from "../base/base.ts";
import { imageCatalog } from "../catalog/catalog.ts";
import { buildImage } from "../image/image.ts";
import { readKernel } from "../kernel/kernel.ts";
import type { BuildRequest } from "../rpc/rpc.ts";

export interface BuildPlaces {
  images: string;
  kernels: string;
  /** Where the image is put together; see buildImage. */
  temporary: string;
}

/** Throws not_found for what is in neither; else as buildImage. */
export async function buildNamed(
  { name, kernel: id, archive, security }: BuildRequest,
  { images, kernels, temporary }: BuildPlaces,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<{ digest: string }> {
  const recipe = imageCatalog.find((entry) => entry.name === name);
  if (recipe === undefined) {
    throw new BangerError("not_found", `there is no recipe for an image ${JSON.stringify(name)}`);
  }
  const kernel = await readKernel(kernels, id);
  const mirror = { ...debianMirror(archive), security: security ?? undefined };
  const directory = await buildImage(recipe, images, { mirror, kernel, signal, progress }, temporary);
  return { digest: basename(directory) };
}
