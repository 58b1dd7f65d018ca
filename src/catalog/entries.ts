/** What a catalog says of an image and of a kernel: how it comes to be on this machine. */
import { z } from "zod";
import { artifactNameGrammar, artifactNameRule } from "../base/base.ts";

/** Of an image or a kernel. */
export const ArtifactName = z.string().regex(artifactNameGrammar, artifactNameRule);

/** Ready-made, to be downloaded. */
const Bundle = z.strictObject({
  /** https, or http on this machine; or relative to where the catalog itself is. */
  url: z.string().min(1).max(2048),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the file, in bytes. */
  size: z
    .int()
    .positive()
    .max(2 ** 40),
  /** What it takes in the store, in bytes. */
  unpackedBytes: z
    .int()
    .positive()
    .max(2 ** 42),
});
export type BundleEntry = z.infer<typeof Bundle>;

/** To be built on this machine, of Debian's packages. */
const ImageRecipe = z.strictObject({
  suite: z.string(),
  /** Raised when the provisioning changes. */
  revision: z.int().positive(),
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).min(1),
  /** Programs that no package has, by their names in images/tools.json. */
  tools: z.array(ArtifactName).default([]),
});

const KernelRecipe = z.strictObject({
  suite: z.string(),
  /** The Debian package, or the metapackage that depends on it. */
  package: z.string(),
});

const description = z.string().max(200);

const image = {
  name: ArtifactName,
  description,
  distro: z.string().max(64),
  arch: z.literal("amd64"),
  /** A name in a catalog of kernels. */
  kernel: ArtifactName,
};
const kernel = { name: ArtifactName, description, arch: z.literal("amd64") };

/** banger's own: a recipe, and perhaps a bundle, which is what the recipe makes. */
export const OwnImage = z.strictObject({ ...image, recipe: ImageRecipe, bundle: Bundle.optional() });
export const OwnKernel = z.strictObject({ ...kernel, recipe: KernelRecipe, bundle: Bundle.optional() });
/** Somebody else's: a bundle. What is built on this machine is banger's own alone. */
export const OthersImage = z.strictObject({ ...image, bundle: Bundle });
export const OthersKernel = z.strictObject({ ...kernel, bundle: Bundle });

export type ImageRecipe = z.infer<typeof OwnImage>;
export type KernelRecipe = z.infer<typeof OwnKernel>;

/** What may be had by a name. At least one of the two ways is there; the bundle is tried first. */
export interface ImageEntry extends Omit<z.infer<typeof OthersImage>, "bundle"> {
  bundle?: BundleEntry | undefined;
  recipe?: ImageRecipe["recipe"] | undefined;
}
export interface KernelEntry extends Omit<z.infer<typeof OthersKernel>, "bundle"> {
  bundle?: BundleEntry | undefined;
  recipe?: KernelRecipe["recipe"] | undefined;
}
