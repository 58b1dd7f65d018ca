/** A request's names, looked up in the catalog and the store, and built. */
import { basename } from "node:path";
import { debianMirror } from "../apt/apt.ts";
import { BangerError } from "../base/base.ts";
import { imageCatalog } from "../catalog/catalog.ts";
import { buildImage } from "../image/image.ts";
import { readKernel } from "../kernel/kernel.ts";
import { findTools, toolOf } from "../release/release.ts";
import type { BuildRequest } from "../rpc/rpc.ts";

export interface BuildPlaces {
  images: string;
  kernels: string;
  /** Where the daemon has put the recipe's tools. */
  downloads: string;
  /** Where the image is put together; see buildImage. */
  temporary: string;
}

/** Throws not_found for what is in neither; else as buildImage. */
export async function buildNamed(
  { name, kernel: id, archive, security }: BuildRequest,
  { images, kernels, downloads, temporary }: BuildPlaces,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<{ digest: string }> {
  const entry = imageCatalog.find((each) => each.name === name);
  if (entry === undefined) {
    throw new BangerError("not_found", `there is no recipe for an image ${JSON.stringify(name)}`);
  }
  const kernel = await readKernel(kernels, id);
  const mirror = { ...debianMirror(archive), security: security ?? undefined };
  const tools = await findTools(downloads, entry.recipe.tools.map(toolOf));
  const directory = await buildImage(entry, images, { mirror, kernel, tools, signal, progress }, temporary);
  return { digest: basename(directory) };
}
