/** The catalog of kernels: data in images/kernels.json, embedded in the executable. */
import { z } from "zod";
import data from "../../images/kernels.json";

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);

const Recipe = z.strictObject({
  kind: z.literal("recipe"),
  name,
  description: z.string(),
  arch: z.literal("amd64"),
  suite: z.string(),
  /** The Debian package, or the metapackage that depends on it. */
  package: z.string(),
});

const Bundle = z.strictObject({
  kind: z.literal("bundle"),
  name,
  description: z.string(),
  arch: z.literal("amd64"),
  url: z.url(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().positive(),
});

export const KernelEntry = z.discriminatedUnion("kind", [Recipe, Bundle]);
export type KernelEntry = z.infer<typeof KernelEntry>;
export type KernelRecipe = z.infer<typeof Recipe>;

const Catalog = z.strictObject({ version: z.literal(1), kernels: z.array(KernelEntry) });

export const kernelCatalog: readonly KernelEntry[] = Catalog.parse(data).kernels;
