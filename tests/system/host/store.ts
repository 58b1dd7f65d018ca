/** banger's own artifacts for the emulated host, so that no scenario waits for an image to be built in it. */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { isOutdated, listImages, type StoredImage } from "../../../src/image/image.ts";
import { readKernel, type StoredKernel } from "../../../src/kernel/kernel.ts";
import { runChecked } from "../../../src/sys/sys.ts";
import { Banger } from "../../e2e/fixture.ts";
import { root } from "./places.ts";
import { makeTiny } from "./tiny.ts";

/** Where the end-to-end tests keep theirs. */
const shared = join(root, "build/e2e/banger");

export interface HostStore {
  /** The real thing: Debian with systemd. */
  image: StoredImage;
  kernel: StoredKernel;
}

/** The store of the end-to-end tests, filled when this is the first run on this machine. */
export async function hostStore(say: (line: string) => void): Promise<HostStore> {
  const image = (await newestDebian()) ?? (await pullDebian(say));
  return { image, kernel: await readKernel(join(shared, "kernels"), image.kernel.id) };
}

async function newestDebian(): Promise<StoredImage | undefined> {
  const images = await listImages(join(shared, "images"));
  const named = images.filter((image) => image.name === "debian-bookworm" && !isOutdated(image));
  return named.sort((a, b) => a.createdAt.localeCompare(b.createdAt)).at(-1);
}

async function pullDebian(say: (line: string) => void): Promise<StoredImage> {
  say("building the image debian-bookworm for the guests");
  const banger = new Banger();
  try {
    await banger.image();
  } finally {
    await banger.close();
  }
  const image = await newestDebian();
  if (image === undefined) throw new Error(`the image was pulled, but is not in ${shared}`);
  return image;
}

/** The owner's numeric ids in the host. */
const dev = "1000";

/**
 * A tar of images/ and kernels/, with the tiny guest's image among them. A tar rather than a file system, because it keeps
 * holes and times to the nanosecond: images are checked by their modification time.
 */
export async function packStore({ image, kernel }: HostStore, busybox: string, tar: string): Promise<void> {
  const tiny = `${tar}.tiny`;
  await mkdir(join(tiny, "images"), { recursive: true });
  await makeTiny(join(tiny, "images"), kernel, busybox);
  const below = (directory: string) => relative(shared, directory);
  await runChecked("tar", [
    ...["--create", "--file", tar, "--format=pax", "--sparse"],
    ...["--numeric-owner", `--owner=${dev}`, `--group=${dev}`],
    // Each banger makes its own, of its own init and agent.
    "--exclude=initramfs-*.cpio",
    ...["-C", shared, below(image.directory), below(kernel.directory)],
    ...["-C", tiny, "images"],
  ]);
  await runChecked("rm", ["-rf", tiny]);
}
