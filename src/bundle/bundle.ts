/**
 * The bundle room: images and kernels, packed for others.
 *
 * Owns the format (a tar in zstd: manifest.json, then the files), its making, and its unpacking while it is downloaded.
 * Promises: what is unpacked is what its digest says, or an error; nothing but plain files of the names that the kind of
 * bundle has is ever written, and no more than was said. Knows neither catalogs nor the stores.
 */
export { ImageBundleManifest, KernelBundleManifest, type SeedFile } from "./manifest.ts";
export { type PackedBundle, type PackRequest, packBundle } from "./pack.ts";
export { type PullRequest, pullBundle } from "./pull.ts";
export { imageBundle, kernelBundle, rootfsMember, vmlinuxMember, workMember } from "./shapes.ts";
export { type BundleShape, contradiction, unpackBundle } from "./unpack.ts";
