/** The kernel that images/kernels/generic/build.sh has built, in a store, with an image that boots it. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** Where its tests, and its benchmark, look for it. */
export const builtKernel = join(root, "build/generic");
export const howToBuild = `images/kernels/generic/build.sh ${builtKernel}`;

interface Manifest {
  id: string;
  name: string;
  kernel?: { id: string; name: string };
}

function manifestIn(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
}

/** Puts it there, beside a copy of the image `from`. Throws when the kernel was not built, or there is no such image. */
export function installGeneric(
  from = "debian-bookworm",
  store = join(root, "build/e2e/banger"),
  built = builtKernel,
): { image: string; remove(): void } {
  if (!existsSync(built)) throw new Error(`there is no ${built}; build it: ${howToBuild}`);
  const { id, name } = manifestIn(built);
  const kernel = join(store, "kernels", id.slice("sha256:".length));
  mkdirSync(kernel, { recursive: true });
  for (const file of ["vmlinux", "manifest.json"]) copyFileSync(join(built, file), join(kernel, file));
  const images = join(store, "images");
  const original = readdirSync(images)
    .filter((entry) => /^[0-9a-f]{64}$/.test(entry))
    .map((entry) => join(images, entry))
    .find((directory) => manifestIn(directory).name === from);
  if (original === undefined) throw new Error(`there is no image ${from} in ${images}`);
  const digest = new Bun.CryptoHasher("sha256").update(original).update(id).digest("hex");
  const directory = join(images, digest);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  cpSync(join(original, "seed"), join(directory, "seed"), { recursive: true });
  // The very same file: an image's is never written, and is known by its time.
  const rootfs = join(directory, "rootfs.ext4");
  rmSync(rootfs, { force: true });
  linkSync(join(original, "rootfs.ext4"), rootfs);
  const image = `${from}-generic`;
  writeFileSync(
    join(directory, "manifest.json"),
    JSON.stringify({ ...manifestIn(original), id: `sha256:${digest}`, name: image, kernel: { id, name } }),
  );
  return {
    image,
    remove: () => {
      for (const made of [directory, kernel]) rmSync(made, { recursive: true, force: true });
    },
  };
}
