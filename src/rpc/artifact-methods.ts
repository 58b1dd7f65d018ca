/** The owner contract's part for images and kernels; see contract.ts. */
import { z } from "zod";
import {
  ArtifactName,
  ImageDetails,
  ImageInfo,
  KernelInfo,
  LifecycleEvent,
  Path,
  PullParams,
  Ref,
} from "./records.ts";
import type { Table } from "./table.ts";

const none = z.strictObject({});
const ref = z.strictObject({ ref: Ref });

export const artifactMethods = {
  "image.list": {
    summary: "images in the store and, if asked, in the catalog",
    params: z.strictObject({ available: z.boolean() }),
    result: z.array(ImageInfo),
    events: LifecycleEvent,
  },
  "image.show": { summary: "one image", params: ref, result: ImageDetails },
  "image.pull": {
    summary: "builds an image of the catalog, or imports a container image; and its kernel",
    params: PullParams,
    result: ImageInfo,
    events: LifecycleEvent,
  },
  "image.name": {
    summary: "the name that an import would get in the store; refused where the import would be",
    params: PullParams.pick({ ref: true, name: true }),
    result: z.strictObject({ name: ArtifactName }),
    events: LifecycleEvent,
  },
  "image.register": {
    summary: "makes an image of a root file system of the user's, where it is",
    params: z.strictObject({
      name: ArtifactName,
      rootfs: Path,
      /** A kernel in the store, or in a catalog; absent: the catalog's. */
      kernelRef: Ref.optional(),
      /** A kernel's file or directory, which is imported under the image's name. */
      kernel: Path.optional(),
    }),
    result: ImageInfo,
    events: LifecycleEvent,
  },
  "image.promote": {
    summary: "copies a registered image's file into the store",
    params: ref,
    result: ImageInfo,
    events: LifecycleEvent,
  },
  "image.save": {
    summary: "makes an image of the disks of a VM that has stopped",
    params: z.strictObject({
      vm: Ref,
      name: ArtifactName,
      /** Its root disk alone: what was installed in a VM of a container image, which keeps being that. */
      provisioned: z.boolean().optional(),
    }),
    result: ImageInfo,
    events: LifecycleEvent,
  },
  "image.prune_cache": {
    summary: "frees the blobs of container images that are kept for the next pull",
    params: z.strictObject({ dryRun: z.boolean() }),
    result: z.strictObject({ bytes: z.number(), blobs: z.int(), directory: Path }),
  },
  "image.delete": { summary: "removes an image that no VM uses", params: ref, result: none },
  "kernel.list": {
    summary: "kernels in the store and, if asked, in the catalog",
    params: z.strictObject({ available: z.boolean() }),
    result: z.array(KernelInfo),
    events: LifecycleEvent,
  },
  "kernel.show": { summary: "one kernel", params: ref, result: KernelInfo },
  "kernel.pull": {
    summary: "builds or fetches a kernel",
    params: z.strictObject({ ref: Ref, force: z.boolean() }),
    result: KernelInfo,
    events: LifecycleEvent,
  },
  "kernel.import": {
    summary: "takes a kernel of the user's own into the store",
    params: z.strictObject({ name: ArtifactName, from: Path, force: z.boolean() }),
    result: KernelInfo,
    events: LifecycleEvent,
  },
  "kernel.remove": { summary: "removes a kernel that no image or VM uses", params: ref, result: none },
} as const satisfies Table;
