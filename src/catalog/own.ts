/** banger's own catalogs: data in images/catalog.json and images/kernels.json, embedded in the executable. */
import { z } from "zod";
import images from "../../images/catalog.json";
import kernels from "../../images/kernels.json";
import { type ImageRecipe, type KernelRecipe, OwnImage, OwnKernel } from "./entries.ts";

const Images = z.strictObject({ version: z.literal(1), images: z.array(OwnImage) });
const Kernels = z.strictObject({ version: z.literal(1), kernels: z.array(OwnKernel) });

export const imageCatalog: readonly ImageRecipe[] = Images.parse(images).images;
export const kernelCatalog: readonly KernelRecipe[] = Kernels.parse(kernels).kernels;
