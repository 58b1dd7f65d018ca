/** Images and kernels as the daemon needs them: by name for people, by digest for VMs. */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Config } from "../config/config.ts";
import type { Paths } from "../config/paths.ts";
import { cleanShared, imageCatalog, isOutdated, listImages, readImage, removeImage } from "../image/image.ts";
import { kernelCatalog, listKernels, readKernel, removeKernel } from "../kernel/kernel.ts";
import { type Pruned, pruneBlobs } from "../oci/oci.ts";
import { downloadsIn } from "../release/release.ts";
import type { ImageInfo, KernelInfo } from "../rpc/rpc.ts";
import type { State } from "../state/state.ts";
import { cleanStaging } from "../sys/sys.ts";
import type { BootSource } from "../vm/vm.ts";
import type { ProgressContext } from "./parts.ts";
import type { Platform } from "./platform.ts";
import { bootSources } from "./shelf/boot-source.ts";
import { artifactBuilds } from "./shelf/builds.ts";
import { type CommandDefaults, commandDefaults } from "./shelf/command-defaults.ts";
import { type ImportByName, imageImports } from "./shelf/imports.ts";
import { imageInfo, imageInfos, kernelInfo, kernelInfos } from "./shelf/info.ts";
import { pick } from "./shelf/names.ts";
import { adoptImage, findImage, findKernel, reconcileRows, type Stores } from "./shelf/rows.ts";
import { canComplete } from "./shelf/tools.ts";

export interface ImageShelf {
  /** Image, kernel and initramfs of a name, made or fetched when they are not there yet. */
  ensure(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** The same, but an image that was made by an older recipe, or lacks what can be had by now, is made anew. */
  renew(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** Imports a container image under a name of its own. Throws already_exists. */
  importImage: ImportByName;
  /** Frees the cache of container images' blobs; without `remove` it only says what it would. */
  pruneCache(remove: boolean): Promise<Pruned>;
  /** Removes images that a newer one of their name has replaced, but for those in `used`, by id. */
  removeReplaced(used: ReadonlySet<string>): Promise<void>;
  /** What an existing VM boots. Throws not_found or corrupt. */
  bootSource(imageId: string, kernelId: string): Promise<BootSource>;
  /** What commands in a VM of the image begin with. */
  commandDefaults(imageId: string): Promise<CommandDefaults>;
  /** The id of the stored image that a name means. */
  current(name: string): Promise<string | undefined>;
  listImages(available: boolean): Promise<ImageInfo[]>;
  image(ref: string): Promise<ImageInfo>;
  deleteImage(id: string): Promise<void>;
  listKernels(available: boolean): Promise<KernelInfo[]>;
  kernel(ref: string): Promise<KernelInfo>;
  pullKernel(ref: string, force: boolean, ctx: ProgressContext): Promise<void>;
  removeKernel(id: string): Promise<void>;
  /** Removes what killed builds left. */
  cleanStaging(): Promise<void>;
}

export function imageShelf(
  state: State,
  config: Config,
  paths: Paths,
  { driver, buildImage }: Platform,
): ImageShelf {
  const stores: Stores = { images: join(paths.state, "images"), kernels: join(paths.state, "kernels") };
  const downloads = downloadsIn(paths.cache);
  const builds = artifactBuilds(state, config, stores, { paths, downloads, buildImage });
  const importByName = imageImports(state, stores, { paths, builds });
  const bootSource = bootSources(stores, driver.guestModules);
  return {
    ensure: async (name, ctx) => {
      const image = (await adoptImage(state, stores, name)) ?? (await builds.image(name, ctx));
      if (isOutdated(image)) {
        const message = `image ${name} was built by an older recipe; renew it: banger image pull ${name}`;
        ctx.emit({ kind: "warning", message });
      }
      return bootSource(image.id, image.kernel.id);
    },
    renew: async (name, ctx) => {
      const stored = await adoptImage(state, stores, name);
      const stale = stored === undefined || isOutdated(stored) || (await canComplete(stored, downloads, ctx));
      const current = stale ? await builds.image(name, ctx) : stored;
      return bootSource(current.id, current.kernel.id);
    },
    importImage: importByName,
    pruneCache: (remove) => pruneBlobs(paths.cache, remove),
    removeReplaced: async (used) => {
      const named = new Map(state.images.list().map((row) => [row.name, row.id]));
      for (const { id, name } of await listImages(stores.images)) {
        if (named.has(name) && named.get(name) !== id && !used.has(id)) await removeImage(stores.images, id);
      }
    },
    bootSource,
    commandDefaults: commandDefaults(stores.images),
    current: async (name) => (await findImage(state, stores, name))?.id,
    listImages: (available) => imageInfos(stores.images, available),
    image: async (ref) => imageInfo(pick("image", ref, await listImages(stores.images), imageCatalog)),
    deleteImage: async (id) => {
      const image = await readImage(stores.images, id);
      state.images.remove(image.name);
      await removeImage(stores.images, id);
    },
    listKernels: (available) => kernelInfos(stores.kernels, available),
    kernel: async (ref) => kernelInfo(pick("kernel", ref, await listKernels(stores.kernels), kernelCatalog)),
    pullKernel: async (ref, force, ctx) => {
      if (!force && (await findKernel(state, stores, ref)) !== undefined) {
        throw new BangerError("already_exists", `kernel ${ref} is in the store already`, {
          hint: `banger kernel pull --force ${ref}`,
        });
      }
      await builds.kernel(ref, ctx);
    },
    removeKernel: async (id) => {
      const kernel = await readKernel(stores.kernels, id);
      const users = (await listImages(stores.images)).filter((image) => image.kernel.id === id);
      if (users.length > 0) {
        throw new BangerError(
          "precondition",
          `kernel ${kernel.name} belongs to image ${users.map((image) => image.name).join(", ")}`,
          {
            hint: `remove the image first: banger image delete ${users[0]?.name}`,
          },
        );
      }
      state.kernels.remove(kernel.name);
      await removeKernel(stores.kernels, id);
    },
    cleanStaging: async () => {
      await cleanStaging(stores.images);
      await cleanStaging(stores.kernels);
      await cleanShared();
      await reconcileRows(state, stores);
    },
  };
}
