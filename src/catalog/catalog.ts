/**
 * The catalog room: what can be had by a name that is not on this machine yet.
 *
 * Owns banger's own catalogs of images and kernels, those of config.toml's `[[catalog]]`, and what it takes to believe the
 * latter: a signature by the key that config.toml has for them, and a serial number that does not go back. Fetches no image
 * and no kernel.
 */

export {
  ArtifactName,
  type BundleEntry,
  type ImageEntry,
  type ImageRecipe,
  type KernelEntry,
  type KernelRecipe,
} from "./entries.ts";
export type { CatalogRoute } from "./fetch-catalog.ts";
export { type BundlePlace, imageOffers, kernelOffers, type Offer } from "./find.ts";
export { type CatalogSource, type OthersCatalog, type OthersCatalogs, readOthers } from "./others.ts";
export { imageCatalog, kernelCatalog } from "./own.ts";
