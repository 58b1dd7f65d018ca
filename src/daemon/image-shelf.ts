/** Images and kernels as the daemon needs them: by name for people, by digest for VMs. */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import {
  ArtifactName,
  type ImageEntry,
  imageCatalog,
  kernelCatalog,
  type Offer,
} from "../catalog/catalog.ts";
import type { Config } from "../config/config.ts";
import type { Paths } from "../config/paths.ts";
import { type Pruned, pruneBlobs } from "../download/download.ts";
import { cleanShared, isOutdated, listImages, removeImage, type StoredImage } from "../image/image.ts";
import {
  importKernel,
  listKernels,
  readKernel,
  removeKernel,
  type StoredKernel,
  settleReplaced,
} from "../kernel/kernel.ts";
import { downloadsIn } from "../release/release.ts";
import type { ImageInfo, KernelInfo } from "../rpc/rpc.ts";
import type { State } from "../state/state.ts";
import { cleanStaging } from "../sys/sys.ts";
import type { BootSource } from "../vm/vm.ts";
import type { ProgressContext } from "./parts.ts";
import type { Platform } from "./platform.ts";
import { bootSources } from "./shelf/boot-source.ts";
import { bundles } from "./shelf/bundles.ts";
import { type CommandDefaults, commandDefaults } from "./shelf/command-defaults.ts";
import { HeldKernels } from "./shelf/held-kernels.ts";
import { type ImageImports, imageImports } from "./shelf/imports.ts";
import { imageInfo, imageInfos, kernelInfo, kernelInfos } from "./shelf/info.ts";
import { pick } from "./shelf/names.ts";
import { catalogOffers } from "./shelf/offers.ts";
import { type OwnImages, ownImages } from "./shelf/own-images.ts";
import { recipes } from "./shelf/recipes.ts";
import { needRoom } from "./shelf/room-for.ts";
import {
  adoptImage,
  damagedImages,
  findImage,
  findKernel,
  idOf,
  reconcileRows,
  rowOf,
  type Stores,
} from "./shelf/rows.ts";
import { supply } from "./shelf/supply.ts";
import { canComplete } from "./shelf/tools.ts";

export interface ImageShelf {
  /** Image, kernel and initramfs of a name or a container image's reference, made or fetched when they are not there yet. */
  ensure(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** The same, but an image that was made by an older recipe, or lacks what can be had by now, is made anew. */
  renew(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** Container images, under names of their own. */
  imports: ImageImports;
  /** Images that the user makes. */
  own: OwnImages;
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
  /** Whether a catalog has an image of that name; else it is a container's, if it is any. */
  isOffered(ref: string, ctx: ProgressContext): Promise<boolean>;
  /** With a context also what the catalogs offer, which may have to be asked. */
  listImages(ctx?: ProgressContext): Promise<ImageInfo[]>;
  image(ref: string): Promise<ImageInfo>;
  /** The image that is meant, even when nothing of it can be read: by the name that it had. */
  removable(ref: string): Promise<{ id: string; name: string }>;
  deleteImage(id: string): Promise<void>;
  listKernels(ctx?: ProgressContext): Promise<KernelInfo[]>;
  kernel(ref: string): Promise<KernelInfo>;
  pullKernel(ref: string, force: boolean, ctx: ProgressContext): Promise<void>;
  /** A kernel of the user's own. Throws already_exists without `force`, and for a name of banger's own. */
  importKernel(name: string, from: string, force: boolean, ctx: ProgressContext): Promise<void>;
  removeKernel(id: string): Promise<void>;
  /** Removes what killed builds left; what cannot be removed is told, with why. */
  cleanStaging(stays: (path: string, error: unknown) => void): Promise<void>;
}

export function imageShelf(
  state: State,
  config: Config,
  paths: Paths,
  { driver, buildImage, rootDiskStrategy }: Platform,
): ImageShelf {
  const stores: Stores = { images: join(paths.state, "images"), kernels: join(paths.state, "kernels") };
  const offers = catalogOffers(config, paths);
  const downloads = downloadsIn(paths.cache);
  const held = new HeldKernels();
  const { image: supplyImage, kernel: supplyKernel } = supply(state, stores, {
    offers,
    bundles: bundles(stores, paths),
    recipes: recipes({ config, stores, paths, downloads, buildImage }),
    held,
  });
  const kernelOf = async (ref: string | undefined, ctx: ProgressContext): Promise<StoredKernel> => {
    const wanted = ref ?? imageCatalog[0]?.kernel ?? "";
    try {
      return pick("kernel", wanted, await listKernels(stores.kernels), kernelCatalog);
    } catch (error) {
      if (!(error instanceof BangerError) || error.code !== "not_found") throw error;
      return await supplyKernel(wanted, ctx);
    }
  };
  const bootSource = bootSources(stores, driver.guestModules);
  const refuseKernel = async (name: string, hint: string) => {
    if ((await findKernel(state, stores, name)) === undefined) return;
    throw new BangerError("already_exists", `kernel ${name} is in the store already`, { hint });
  };
  /** Names of kernels that are being imported: two at once would both find them free. */
  const importing = new Set<string>();
  const takeKernel = async (
    name: string,
    from: string,
    /** What to do when the name is taken; undefined: nothing, its kernel gives way. */
    hint: string | undefined,
    ctx: ProgressContext,
  ): Promise<StoredKernel> => {
    if (kernelCatalog.some((entry) => entry.name === name)) {
      throw new BangerError("already_exists", `${name} is the name of a kernel of banger's own`, {
        hint: "give yours another name",
      });
    }
    if (importing.has(name)) {
      throw new BangerError("already_exists", `a kernel ${name} is being imported already`, {
        hint: "wait until it is there, or give this one another name",
      });
    }
    importing.add(name);
    try {
      if (hint !== undefined) await refuseKernel(name, hint);
      return await importAs(name, from, ctx);
    } finally {
      importing.delete(name);
    }
  };
  const importAs = async (name: string, from: string, ctx: ProgressContext): Promise<StoredKernel> => {
    const directory = await importKernel(
      {
        name,
        from,
        signal: ctx.signal,
        needSpace: (bytes) => needRoom(paths, "store", bytes, `kernel ${name}`),
      },
      stores.kernels,
    );
    const kernel = await readKernel(stores.kernels, idOf(directory));
    if (kernel.name !== name) {
      throw new BangerError("already_exists", `this very kernel is in the store already: ${kernel.name}`, {
        hint: `go by that name: --kernel-ref ${kernel.name}`,
      });
    }
    state.kernels.put(rowOf(kernel));
    await removeNamesakes(kernel);
    return kernel;
  };
  /** Those whose place a kernel has taken, unless an image needs them: nobody would find them again. */
  const removeNamesakes = async ({ id, name }: StoredKernel) => {
    const images = await listImages(stores.images);
    for (const other of await listKernels(stores.kernels)) {
      if (other.name !== name || other.id === id || held.by(other.id).length > 0) continue;
      if (!images.some((image) => image.kernel.id === other.id)) await removeKernel(stores.kernels, other.id);
    }
  };
  const imports = imageImports(state, stores, { paths, kernelOf, held });
  const own = ownImages(state, stores, {
    ...{ paths, kernelOf, held, storeOnly: rootDiskStrategy === "snapshot" },
    importKernel: (name, from, ctx) =>
      takeKernel(name, from, `give the image another name, or take that kernel: --kernel-ref ${name}`, ctx),
    dropKernel: async ({ id, name }) => {
      state.kernels.remove(name);
      await removeKernel(stores.kernels, id);
    },
  });
  return {
    own,
    ensure: async (name, ctx) => {
      const image =
        (await adoptImage(state, stores, name)) ??
        (/[/:@]/.test(name) ? await imports.byReference(name, ctx) : await supplyImage(name, ctx));
      if (isOutdated(image)) {
        const message = `image ${name} was built by an older recipe; renew it: banger image pull ${name}`;
        ctx.emit({ kind: "warning", message });
      }
      return bootSource(image.id, image.kernel.id);
    },
    renew: async (name, ctx) => {
      const stored = await adoptImage(state, stores, name);
      const stale =
        stored === undefined ||
        isBehind(stored, await offers.image(name, ctx)) ||
        (await canComplete(stored, downloads, ctx));
      const current = stale ? await supplyImage(name, ctx) : stored;
      return bootSource(current.id, current.kernel.id);
    },
    imports,
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
    isOffered: async (ref, ctx) =>
      ArtifactName.safeParse(ref).success && (await offers.image(ref, ctx)) !== undefined,
    listImages: async (ctx) => imageInfos(stores.images, ctx === undefined ? [] : await offers.images(ctx)),
    image: async (ref) => imageInfo(pick("image", ref, await listImages(stores.images), imageCatalog)),
    removable: async (ref) =>
      pick(
        "image",
        ref,
        [...(await listImages(stores.images)), ...(await damagedImages(state, stores))],
        imageCatalog,
      ),
    deleteImage: async (id) => {
      for (const row of state.images.list()) if (row.id === id) state.images.remove(row.name);
      await removeImage(stores.images, id);
    },
    listKernels: async (ctx) =>
      kernelInfos(stores.kernels, ctx === undefined ? [] : await offers.kernels(ctx)),
    kernel: async (ref) => kernelInfo(pick("kernel", ref, await listKernels(stores.kernels), kernelCatalog)),
    pullKernel: async (ref, force, ctx) => {
      if (!force) await refuseKernel(ref, `banger kernel pull --force ${ref}`);
      await supplyKernel(ref, ctx);
    },
    importKernel: async (name, from, force, ctx) => {
      const hint = "give this one another name, or --force to have it take that one's place";
      await takeKernel(name, from, force ? undefined : hint, ctx);
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
      const [making] = held.by(id);
      if (making !== undefined) {
        throw new BangerError(
          "precondition",
          `kernel ${kernel.name} is for image ${making}, which is being made`,
          {
            hint: "wait until the image is there, or end its making",
          },
        );
      }
      state.kernels.remove(kernel.name);
      await removeKernel(stores.kernels, id);
    },
    cleanStaging: async (stays) => {
      await settleReplaced(stores.kernels);
      await cleanStaging(stores.images, stays);
      await cleanStaging(stores.kernels, stays);
      await cleanShared();
      await reconcileRows(state, stores);
    },
  };
}

/** Whether a catalog has something newer under the image's name. Throws already_exists when it is somebody's own image. */
function isBehind(stored: StoredImage, offer: Offer<ImageEntry> | undefined): boolean {
  const { origin } = stored;
  if (origin === undefined ? stored.oci !== undefined : origin.kind !== "bundle") {
    throw new BangerError("already_exists", `there is an image ${stored.name} of your own`, {
      hint: `to have the catalog's of that name, remove it first: banger image delete ${stored.name}`,
    });
  }
  if (isOutdated(stored)) return true;
  // banger's own is the same, built or fetched, as long as its recipe is.
  if (offer?.bundle === undefined || offer.source === undefined) return false;
  return origin?.kind !== "bundle" || origin.sha256 !== offer.bundle.sha256;
}
