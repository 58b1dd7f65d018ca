/** What people are told of images and kernels: those in the store, and those that the catalog offers. */
import { imageCatalog, isOutdated, listImages, type StoredImage } from "../../image/image.ts";
import { kernelCatalog, listKernels, type StoredKernel } from "../../kernel/kernel.ts";
import type { ImageInfo, KernelInfo } from "../../rpc/rpc.ts";
import { allocatedIn } from "../../sys/sys.ts";

export async function imageInfo(image: StoredImage): Promise<ImageInfo> {
  return {
    id: image.id,
    name: image.name,
    kind: image.oci === undefined ? "recipe" : "oci",
    present: true,
    outdated: isOutdated(image),
    description:
      image.oci?.reference ?? imageCatalog.find((entry) => entry.name === image.name)?.description ?? "",
    kernel: image.kernel.name,
    oci: image.oci === undefined ? null : { ...image.oci, caveat },
    ...(await onDisk(image)),
  };
}

/** Nothing is added to an imported image. */
const caveat =
  "as its publisher made it: commands have its environment and working directory, and run as root; its entrypoint is not run, and without an sshd of its own there is vm exec, but no vm ssh";

export async function kernelInfo(kernel: StoredKernel): Promise<KernelInfo> {
  return {
    id: kernel.id,
    name: kernel.name,
    present: true,
    version: kernel.release,
    description: kernelCatalog.find((entry) => entry.name === kernel.name)?.description ?? kernel.source,
    ...(await onDisk(kernel)),
  };
}

/** `available`: with what could be built or fetched. */
export async function imageInfos(imagesDir: string, available: boolean): Promise<ImageInfo[]> {
  const present = await Promise.all((await listImages(imagesDir)).map(imageInfo));
  const offers = available ? absent(imageCatalog, present) : [];
  return [
    ...present,
    ...offers.map(
      ({ name, kind, description, kernel }): ImageInfo => ({
        ...{ id: "", name, kind, present: false, outdated: false, description, kernel, oci: null },
        ...notOnDisk,
      }),
    ),
  ];
}

export async function kernelInfos(kernelsDir: string, available: boolean): Promise<KernelInfo[]> {
  const present = await Promise.all((await listKernels(kernelsDir)).map(kernelInfo));
  const offers = available ? absent(kernelCatalog, present) : [];
  return [
    ...present,
    ...offers.map(
      ({ name, description }): KernelInfo => ({
        ...{ id: "", name, present: false, version: "", description },
        ...notOnDisk,
      }),
    ),
  ];
}

const notOnDisk = { sizeBytes: null, createdAt: null, path: null };

async function onDisk({ directory, createdAt }: StoredImage | StoredKernel) {
  return { sizeBytes: await allocatedIn(directory), createdAt, path: directory };
}

function absent<T extends { name: string }>(
  catalog: readonly T[],
  present: readonly { name: string }[],
): T[] {
  return catalog.filter((entry) => !present.some((artifact) => artifact.name === entry.name));
}
