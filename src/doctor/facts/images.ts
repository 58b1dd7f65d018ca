/** The image that new VMs are made of, and its kernel: in the store, in the catalog, or nowhere. */
import { join } from "node:path";
import { imageCatalog, kernelCatalog } from "../../catalog/catalog.ts";
import { isOutdated, listImages } from "../../image/image.ts";
import { listKernels } from "../../kernel/kernel.ts";
import type { Place } from "../place.ts";
import { readSettings } from "./settings.ts";

export interface ImageFacts {
  wanted: string;
  image: { stored: { id: string; createdAt: string; outdated: boolean } | undefined; inCatalog: boolean };
  /** Undefined when it is not known which one the image wants. */
  kernel: { name: string; release: string | undefined; inCatalog: boolean } | undefined;
  /** config.toml's, which are not asked here: a look at this machine speaks with no other. */
  otherCatalogs: readonly string[];
  available: readonly string[];
}

export async function lookForImages(place: Place): Promise<ImageFacts> {
  const { config } = await readSettings(place);
  const wanted = config.default_image_name;
  const [images, kernels] = await Promise.all([
    listImages(join(place.paths.state, "images")),
    listKernels(join(place.paths.state, "kernels")),
  ]);
  const stored = images
    .filter(({ name }) => name === wanted)
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
    .at(-1);
  const entry = imageCatalog.find(({ name }) => name === wanted);
  const kernelName = stored?.kernel.name ?? entry?.kernel;
  const kernel = kernels.find(({ id, name }) =>
    stored === undefined ? name === kernelName : id === stored.kernel.id,
  );
  return {
    wanted,
    image: {
      stored:
        stored === undefined
          ? undefined
          : { id: stored.id, createdAt: stored.createdAt, outdated: isOutdated(stored) },
      inCatalog: entry !== undefined,
    },
    kernel:
      kernelName === undefined
        ? undefined
        : {
            name: kernelName,
            release: kernel?.release,
            inCatalog: kernelCatalog.some(({ name }) => name === kernelName),
          },
    otherCatalogs: config.catalog.map(({ source }) => source),
    available: [...new Set([...images, ...imageCatalog].map(({ name }) => name))],
  };
}
