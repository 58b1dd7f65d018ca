/**
 * The image room: root file systems for guests.
 *
 * Owns the store of images, and all ways into it: a recipe's building, a bundle, a container image's layers, a file of the
 * user's, a VM's disks. Which images and recipes there are to be had, the catalog room says. Promises: an image in the store
 * is whole and is never written again; what is killed or fails leaves nothing but a staging directory; packages come from
 * the machine's own Debian mirror, with signatures checked. Never knows VMs.
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
