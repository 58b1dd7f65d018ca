/** What people are told of images and kernels: those in the store, and those that the catalog offers. */
import {
  type ImageEntry,
  imageCatalog,
  type KernelEntry,
  kernelCatalog,
  type Offer,
} from "../../catalog/catalog.ts";
import { isOutdated, listImages, type StoredImage } from "../../image/image.ts";
import { listKernels, type StoredKernel } from "../../kernel/kernel.ts";
import type { ImageInfo, KernelInfo } from "../../rpc/rpc.ts";
import { allocatedIn } from "../../sys/sys.ts";
import { byAge } from "./rows.ts";

export async function imageInfo(image: StoredImage): Promise<ImageInfo> {
  return {
    id: image.id,
    name: image.name,
    kind: kindOf(image),
    present: true,
    outdated: isOutdated(image),
    description: descriptionOf(image),
    kernel: image.kernel.name,
    oci: image.oci === undefined ? null : { ...image.oci, caveat: caveatOf(image) },
    ...(await onDisk(image)),
  };
}

function descriptionOf({ name, origin, oci }: StoredImage): string {
  switch (origin?.kind) {
    case "saved":
      return `the disks of VM ${origin.vm}, saved`;
    case "provisioned":
      return `${oci?.reference ?? ""}, with an init and an ssh server`;
    case "registered":
      return `the file ${origin.rootfs}, where it is`;
    case "copied":
      return `a copy of ${origin.rootfs}`;
  }
  const own = imageCatalog.find((entry) => entry.name === name)?.description;
  return oci?.reference ?? own ?? (origin?.kind === "bundle" ? `from ${origin.from}` : "");
}

function kindOf({ origin, oci }: StoredImage): ImageInfo["kind"] {
  return origin?.kind ?? (oci === undefined ? "recipe" : "oci");
}

/** Nothing is added to an imported image, unless it was provisioned. */
function caveatOf({ origin }: StoredImage): string {
  const run =
    "commands have its environment, working directory and user (in a workspace they are root's); its entrypoint is not run";
  return origin?.kind === "provisioned"
    ? run
    : `as its publisher made it: ${run}, and without an sshd of its own there is vm exec, but no vm ssh`;
}

export async function kernelInfo(kernel: StoredKernel): Promise<KernelInfo> {
  return {
    id: kernel.id,
    name: kernel.name,
    present: true,
    // Of all sources an absolute path is an import's alone.
    imported: kernel.source.startsWith("/"),
    version: kernel.release,
    description: kernelCatalog.find((entry) => entry.name === kernel.name)?.description ?? kernel.source,
    ...(await onDisk(kernel)),
  };
}

function byNameAndAge(a: Named, b: Named): number {
  return a.name.localeCompare(b.name) || byAge(b, a);
}

interface Named {
  name: string;
  createdAt: string;
}

/** With what could be built or fetched. */
export async function imageInfos(
  imagesDir: string,
  offered: readonly Offer<ImageEntry>[],
): Promise<ImageInfo[]> {
  const present = await Promise.all((await listImages(imagesDir)).sort(byNameAndAge).map(imageInfo));
  return [
    ...present,
    ...absent(offered, present).map(
      ({ entry: { name, description, kernel }, bundle }): ImageInfo => ({
        ...{ id: "", name, kind: bundle === undefined ? "recipe" : "bundle", present: false },
        ...{ outdated: false, description, kernel, oci: null, createdAt: null, path: null },
        sizeBytes: bundle?.unpackedBytes ?? null,
      }),
    ),
  ];
}

export async function kernelInfos(
  kernelsDir: string,
  offered: readonly Offer<KernelEntry>[],
): Promise<KernelInfo[]> {
  const present = await Promise.all((await listKernels(kernelsDir)).sort(byNameAndAge).map(kernelInfo));
  return [
    ...present,
    ...absent(offered, present).map(
      ({ entry: { name, description }, bundle }): KernelInfo => ({
        ...{
          id: "",
          name,
          present: false,
          imported: false,
          version: "",
          description,
          createdAt: null,
          path: null,
        },
        sizeBytes: bundle?.unpackedBytes ?? null,
      }),
    ),
  ];
}

async function onDisk({ directory, createdAt }: StoredImage | StoredKernel) {
  return { sizeBytes: await allocatedIn(directory), createdAt, path: directory };
}

function absent<E extends { name: string }>(
  offered: readonly Offer<E>[],
  present: readonly { name: string }[],
): Offer<E>[] {
  return offered.filter(({ entry }) => !present.some((artifact) => artifact.name === entry.name));
}
