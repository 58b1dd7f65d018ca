/**
 * The oci room: container images, from a name to a root file system's content.
 *
 * Owns references, registries and what they want to be shown, images on the disk, the cache of blobs, and the merging of
 * layers. Promises: a blob in the cache is the one that its name says; what is in a layer is handed on while the layer is
 * checked, and who takes it is told in the end when it was another; whatever an image says, nothing of this host is touched
 * but the cache and the listings that are asked for, and memory and disk are bounded. Runs nothing of an image, and knows neither VMs nor the store of images.
 */
export type { ImageConfig } from "./documents.ts";
export { type FetchedLayer, fetchLayers, type NumberedLayer } from "./fetch-layers.ts";
export { formatImageName, type ImageName, nameInStore, parseImageName } from "./image-name.ts";
export { type FlattenRequest, type MergedRoot, mergeLayers } from "./layers/flatten.ts";
export type { RootTotals } from "./layers/plan.ts";
export type { ContentSink, LayerContent, RootSink } from "./layers/sink.ts";
export type { Metadata } from "./layers/tree.ts";
export type { Reading } from "./layers/unpack.ts";
export { type Unpacking, unpackLayer } from "./layers/unpack-layer.ts";
export { imageLimits, type Limits } from "./limits.ts";
export { openSource, pinnedDigest } from "./open-source.ts";
export { type CredentialSource, dockerCredentials } from "./registry/credentials.ts";
export type { RegistryOptions } from "./registry/registry-source.ts";
export { resolveManifest } from "./resolve.ts";
export { type LayerName, type ResolvedImage, resolveImage } from "./resolve-image.ts";
export type { ImageSource } from "./source.ts";
