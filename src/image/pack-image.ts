/** A stored image as a bundle, for others to pull. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { type PackedBundle, packBundle, rootfsMember, type SeedFile, workMember } from "../bundle/bundle.ts";
import type { StoredImage } from "./store.ts";

export interface Packing {
  /** Where the bundle goes. */
  into: string;
  /** zstd's, 1 to 19. */
  level: number;
  signal: AbortSignal;
}

/** Throws as packBundle. */
export async function packImage(image: StoredImage, packing: Packing): Promise<PackedBundle> {
  const { name, revision, distro, arch, kernel, rootfsBytes, workBytes, oci } = image;
  if (image.origin?.kind === "registered") {
    throw new BangerError("precondition", `image ${name} is a file outside of the store`, {
      hint: `copy it into the store first: banger image promote ${name}`,
    });
  }
  return await packBundle({
    ...packing,
    manifest: {
      version: 1,
      kind: "image",
      name,
      revision,
      distro,
      arch,
      kernel,
      rootfsBytes,
      ...(workBytes === undefined ? { seed: await readSeed(image.seed) } : { workBytes, seed: [] }),
      ...(oci === undefined ? {} : { oci }),
    },
    directory: image.directory,
    members: [rootfsMember, ...(workBytes === undefined ? [] : [workMember])],
  });
}

/** Files and directories; directories before what is in them. */
async function readSeed(directory: string): Promise<SeedFile[]> {
  const paths = (await readdir(directory, { recursive: true })).sort();
  const seed: SeedFile[] = [];
  for (const path of paths) {
    const place = join(directory, path);
    const found = await stat(place);
    const mode = found.mode & 0o777;
    if (found.isDirectory()) seed.push({ path, mode, base64: null });
    else if (found.isFile()) seed.push({ path, mode, base64: (await readFile(place)).toString("base64") });
  }
  return seed;
}
