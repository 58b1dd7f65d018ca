/** Images that the user makes: of files, and of VMs. */

import { BangerError } from "../../base/base.ts";
import { imageCatalog } from "../../catalog/catalog.ts";
import {
  checkRootfs,
  copyIntoStore,
  listImages,
  promoteImage,
  readImage,
  registerImage,
  type Saving,
  type StoredImage,
  saveImage,
} from "../../image/image.ts";
import type { StoredKernel } from "../../kernel/kernel.ts";
import type { State } from "../../state/state.ts";
import { allocated } from "../../sys/sys.ts";
import type { ProgressContext } from "../parts.ts";
import type { HeldKernels } from "./held-kernels.ts";
import { pick, refuseTaken } from "./names.ts";
import { asStage } from "./recipes.ts";
import { needRoom, type RoomPaths } from "./room-for.ts";
import { findImage, idOf, rowOf, type Stores } from "./rows.ts";

export interface OwnImages {
  /** Throws already_exists for a name that is taken; else as registerImage and as a kernel's import. */
  register(
    request: { name: string; rootfs: string; kernelRef: string | undefined; kernel: string | undefined },
    ctx: ProgressContext,
  ): Promise<StoredImage>;
  /** By name or digest. Throws as promoteImage. */
  promote(ref: string, ctx: ProgressContext): Promise<StoredImage>;
  /** `imageId` is what the VM was made of. Throws already_exists for a name that is taken, no_space; else as saveImage. */
  save(
    request: Pick<Saving, "name" | "origin" | "root" | "work"> & { imageId: string },
    ctx: ProgressContext,
  ): Promise<StoredImage>;
}

export interface OwnImagesMeans {
  paths: RoomPaths;
  /** Whoever starts machines takes their disks out of the store alone: then nothing can stay where it is. */
  storeOnly: boolean;
  /** The kernel of a name, which may have to be fetched; undefined: the one of banger's own images. */
  kernelOf(ref: string | undefined, ctx: ProgressContext): Promise<StoredKernel>;
  importKernel(name: string, from: string, ctx: ProgressContext): Promise<StoredKernel>;
  /** One that was imported for an image which could not be made after all. */
  dropKernel(kernel: StoredKernel): Promise<void>;
  held: HeldKernels;
}

export function ownImages(
  state: State,
  stores: Stores,
  { paths, storeOnly, kernelOf, importKernel, dropKernel, held }: OwnImagesMeans,
): OwnImages {
  const named = async (directory: string, name: string): Promise<StoredImage> => {
    const image = await readImage(stores.images, idOf(directory));
    state.images.put({ ...rowOf(image), name });
    return image;
  };
  /** Names for which something is being made: two at once would both find them free. */
  const reserved = new Set<string>();
  const underName = async (name: string, make: () => Promise<StoredImage>): Promise<StoredImage> => {
    if (reserved.has(name)) {
      throw new BangerError("already_exists", `an image ${name} is being made already`, {
        hint: "give this one another name",
      });
    }
    reserved.add(name);
    try {
      await refuseTaken(state, stores, name);
      return await make();
    } finally {
      reserved.delete(name);
    }
  };
  const spaceFor = (name: string) => (bytes: number) => needRoom(paths, "store", bytes, `image ${name}`);
  return {
    register: ({ name, rootfs, kernelRef, kernel }, ctx) =>
      underName(name, () =>
        held.during(name, async (hold) => {
          await checkRootfs(rootfs);
          const its = hold(
            kernel === undefined ? await kernelOf(kernelRef, ctx) : await importKernel(name, kernel, ctx),
          );
          const request = { name, rootfs, kernel: its, needSpace: spaceFor(name), signal: ctx.signal };
          try {
            if (!storeOnly) return await named(await registerImage(request, stores.images), name);
            const directory = await asStage("image_copy", ctx, () => copyIntoStore(request, stores.images));
            return await named(directory, name);
          } catch (error) {
            if (kernel !== undefined) await dropKernel(its);
            throw error;
          }
        }),
      ),
    promote: async (ref, ctx) => {
      // By its name first: a promotion that was killed may have left its copy, of the same name and newer.
      const image =
        (await findImage(state, stores, ref)) ??
        pick("image", ref, await listImages(stores.images), imageCatalog);
      const means = { needSpace: spaceFor(image.name), signal: ctx.signal };
      const directory = await asStage("image_copy", ctx, () => promoteImage(image, stores.images, means));
      return await named(directory, image.name);
    },
    save: ({ name, origin, imageId, root, work }, ctx) =>
      underName(name, async () => {
        const image = await readImage(stores.images, imageId);
        // Layers may cover each other: it takes this much at most, and what is below them once more.
        const disks = [root, ...(work === undefined ? [] : [work])];
        const own = disks.map((disk) => ("store" in disk ? disk.store : disk.path));
        await spaceFor(name)(await allocated([...own, image.rootfs]));
        const saving = { name, origin, image, root, work, signal: ctx.signal };
        const directory = await asStage("image_save", ctx, (progress) =>
          saveImage({ ...saving, progress }, stores.images),
        );
        return await named(directory, name);
      }),
  };
}
