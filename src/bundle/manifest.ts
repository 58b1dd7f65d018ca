/** The member `manifest.json` of a bundle: what it is a bundle of. */
import { z } from "zod";
import { artifactNameGrammar, artifactNameRule } from "../base/base.ts";

/** A larger one is none: it has /root's first files in it, which are a few. */
export const maxManifestBytes: number = 4 * 1024 * 1024;

const name = z.string().regex(artifactNameGrammar, artifactNameRule);
const id = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const text = z.string().max(4096);

/** A file or a directory that /root begins with. Its path has no `..` and no empty parts. */
const SeedFile = z.strictObject({
  path: z
    .string()
    .max(1024)
    .regex(/^[^/\0]+(\/[^/\0]+)*$/)
    .refine((path) => !path.split("/").some((part) => part === "." || part === "..")),
  mode: z.int().min(0).max(0o777),
  /** Its content; null of a directory. */
  base64: z.base64().nullable(),
});
export type SeedFile = z.infer<typeof SeedFile>;

export const ImageBundleManifest = z.strictObject({
  version: z.literal(1),
  kind: z.literal("image"),
  name,
  /** Of the recipe that it was built by; 0 for others. */
  revision: z.int().nonnegative(),
  distro: z.string().max(64),
  arch: z.literal("amd64"),
  /** The kernel whose modules it has, and by what name to find it. */
  kernel: z.strictObject({ id, name }),
  rootfsBytes: z
    .int()
    .positive()
    .max(16 * 1024 ** 4),
  /** Of the member work.ext4, where VMs begin with a whole work disk and not with `seed`. */
  workBytes: z
    .int()
    .positive()
    .max(16 * 1024 ** 4)
    .optional(),
  seed: z.array(SeedFile).max(1000),
  /** Of a container image: how its publisher means it to be run. */
  oci: z
    .strictObject({
      reference: text,
      digest: text,
      env: z.array(z.string().max(64 * 1024)).max(1000),
      entrypoint: z.array(text).max(1000),
      cmd: z.array(text).max(1000),
      workingDir: text,
      user: text,
    })
    .optional(),
});
export type ImageBundleManifest = z.infer<typeof ImageBundleManifest>;

export const KernelBundleManifest = z.strictObject({
  version: z.literal(1),
  kind: z.literal("kernel"),
  /** `sha256:` of vmlinux. */
  id,
  name,
  arch: z.literal("amd64"),
  /** What uname -r says; the directory of its modules. */
  release: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+~_-]{0,63}$/),
  source: text,
});
export type KernelBundleManifest = z.infer<typeof KernelBundleManifest>;
