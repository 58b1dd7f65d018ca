/** The kernel that images/kernels/generic/build.sh has built, in the tests' store, with an image that boots it. */
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
const store = join(root, "build/e2e/banger");

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

/** Puts it there. Throws when it was not built, or when there is no image debian-bookworm to start from. */
export function installGeneric(): { image: string; remove(): void } {
  if (!existsSync(builtKernel)) throw new Error(`there is no ${builtKernel}; build it: ${howToBuild}`);
  const { id, name } = manifestIn(builtKernel);
  const kernel = join(store, "kernels", id.slice("sha256:".length));
  mkdirSync(kernel, { recursive: true });
  for (const file of ["vmlinux", "manifest.json"]) copyFileSync(join(builtKernel, file), join(kernel, file));
  const images = join(store, "images");
  const debian = readdirSync(images)
    .filter((entry) => /^[0-9a-f]{64}$/.test(entry))
    .map((entry) => join(images, entry))
    .find((directory) => manifestIn(directory).name === "debian-bookworm");
  if (debian === undefined) throw new Error(`there is no image debian-bookworm in ${images}`);
  const digest = new Bun.CryptoHasher("sha256").update(debian).update(id).digest("hex");
  const directory = join(images, digest);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  cpSync(join(debian, "seed"), join(directory, "seed"), { recursive: true });
  // The very same file: an image's is never written, and is known by its time.
  const rootfs = join(directory, "rootfs.ext4");
  rmSync(rootfs, { force: true });
  linkSync(join(debian, "rootfs.ext4"), rootfs);
  const image = "debian-bookworm-generic";
  writeFileSync(
    join(directory, "manifest.json"),
    JSON.stringify({ ...manifestIn(debian), id: `sha256:${digest}`, name: image, kernel: { id, name } }),
  );
  return {
    image,
    remove: () => {
      for (const made of [directory, kernel]) rmSync(made, { recursive: true, force: true });
    },
  };
}
