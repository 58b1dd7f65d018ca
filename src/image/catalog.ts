/** The catalog of images: data in images/catalog.json, embedded in the executable. */
import { z } from "zod";
import data from "../../images/catalog.json";

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);

const Recipe = z.strictObject({
  kind: z.literal("recipe"),
  name,
  description: z.string(),
  distro: z.literal("debian"),
  arch: z.literal("amd64"),
  suite: z.string(),
  /** A name in the catalog of kernels. */
  kernel: name,
  /** Raised when the provisioning changes. */
  revision: z.int().positive(),
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).min(1),
  /** Programs that no package has, by their names in images/tools.json. */
  tools: z.array(name).default([]),
});

const Bundle = z.strictObject({
  kind: z.literal("bundle"),
  name,
  description: z.string(),
  distro: z.string(),
  arch: z.literal("amd64"),
  kernel: name,
  url: z.url(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().positive(),
});

export const ImageEntry = z.discriminatedUnion("kind", [Recipe, Bundle]);
export type ImageEntry = z.infer<typeof ImageEntry>;
export type ImageRecipe = z.infer<typeof Recipe>;

const Catalog = z.strictObject({ version: z.literal(1), images: z.array(ImageEntry) });

export const imageCatalog: readonly ImageEntry[] = Catalog.parse(data).images;
