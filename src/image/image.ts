/**
 * The image room: root file systems for guests.
 *
 * Owns the catalog of images, recipes and their building, the import of container images, and the store. Promises: an image
 * in the store is whole and is never written again; a killed or failed build leaves nothing; packages come from the
 * machine's own Debian mirror, with signatures checked. Never knows VMs.
 */
export { buildImage, type ImageBuild } from "./build.ts";
export { type ImportedImage, importImage } from "./import-image.ts";
export type { ImageImport, ImportPart } from "./import-request.ts";
export { type NamespaceObstacle, namespaceObstacle, needsMmdebstrap } from "./mmdebstrap.ts";
export { cleanShared } from "./namespace.ts";
export { type Packing, packImage } from "./pack-image.ts";
export { type ImagePull, pullImage } from "./pull-image.ts";
export { checkRootfs, copyIntoStore, promoteImage, type Registration, registerImage } from "./register.ts";
export { type Saving, saveImage } from "./save.ts";
export {
  isOutdated,
  listDamaged,
  listImages,
  readImage,
  removeImage,
  type StoredImage,
  verifyImage,
} from "./store.ts";
