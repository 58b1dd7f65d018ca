/** Images and kernels that are not here yet: fetched ready-made where a catalog has them so, else built; one at a time of each name. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { ImageEntry, KernelEntry, Offer } from "../../catalog/catalog.ts";
import { readImage, type StoredImage } from "../../image/image.ts";
import { readKernel, type StoredKernel } from "../../kernel/kernel.ts";
import type { State } from "../../state/state.ts";
import type { ProgressContext } from "../parts.ts";
import type { Bundles } from "./bundles.ts";
import type { HeldKernels } from "./held-kernels.ts";
import { unknownName } from "./names.ts";
import type { Offers } from "./offers.ts";
import type { Recipes } from "./recipes.ts";
import { adoptKernel, idOf, rowOf, type Stores } from "./rows.ts";
import { SharedWork } from "./shared-work.ts";

export interface Supply {
  /** The image of a name in a catalog, and its kernel when there is none. Throws not_found for a name in none. */
  image(name: string, ctx: ProgressContext): Promise<StoredImage>;
  kernel(name: string, ctx: ProgressContext): Promise<StoredKernel>;
}

export interface SupplyMeans {
  offers: Offers;
  bundles: Bundles;
  recipes: Recipes;
  held: HeldKernels;
}

export function supply(
  state: State,
  stores: Stores,
  { offers, bundles, recipes, held }: SupplyMeans,
): Supply {
  const shared = new SharedWork();

  const makeKernel = (name: string, asked: ProgressContext): Promise<StoredKernel> =>
    shared.run(`kernel ${name}`, asked, async (ctx) => {
      const { entry, bundle } = await offered("kernel", name, ctx);
      const directory = await readyMadeOr(
        { kind: "kernel", name, mayBuild: entry.recipe !== undefined, ctx },
        bundle === undefined ? undefined : () => bundles.kernel(name, bundle, ctx),
        () => recipes.kernel({ ...entry, recipe: known(entry.recipe) }, ctx),
      );
      const kernel = await readKernel(stores.kernels, idOf(directory));
      state.kernels.put({ ...rowOf(kernel), name });
      return kernel;
    });

  /** The very kernel that a bundle was made with, else the one of its name. */
  const kernelFor = async (
    image: string,
    wanted: { id: string; name: string },
    ctx: ProgressContext,
  ): Promise<StoredKernel> => {
    const same = await readKernel(stores.kernels, wanted.id).catch(() => undefined);
    if (same !== undefined) return same;
    const named = (await adoptKernel(state, stores, wanted.name)) ?? (await makeKernel(wanted.name, ctx));
    if (named.id !== wanted.id) {
      const message = `image ${image} was made with another build of kernel ${wanted.name} than is here (${named.release}): modules that it loads later, as Docker does, may not fit`;
      ctx.emit({ kind: "warning", message });
    }
    return named;
  };

  const makeImage = (name: string, asked: ProgressContext): Promise<StoredImage> =>
    shared.run(`image ${name}`, asked, (ctx) =>
      held.during(name, async (hold) => {
        const { entry, bundle } = await offered("image", name, ctx);
        const kernelOf = async () =>
          hold((await adoptKernel(state, stores, entry.kernel)) ?? (await makeKernel(entry.kernel, ctx)));
        const directory = await readyMadeOr(
          { kind: "image", name, mayBuild: entry.recipe !== undefined, ctx },
          bundle === undefined
            ? undefined
            : () =>
                bundles.image(name, bundle, async (wanted) => hold(await kernelFor(name, wanted, ctx)), ctx),
          () => recipes.image({ ...entry, recipe: known(entry.recipe) }, kernelOf, ctx),
        );
        const image = await readImage(stores.images, idOf(directory));
        state.images.put({ ...rowOf(image), name });
        return image;
      }),
    );

  async function offered(kind: "image", name: string, ctx: ProgressContext): Promise<Offer<ImageEntry>>;
  async function offered(kind: "kernel", name: string, ctx: ProgressContext): Promise<Offer<KernelEntry>>;
  async function offered(
    kind: "image" | "kernel",
    name: string,
    ctx: ProgressContext,
  ): Promise<Offer<ImageEntry | KernelEntry>> {
    const found = kind === "image" ? await offers.image(name, ctx) : await offers.kernel(name, ctx);
    if (found !== undefined) return found;
    const all = kind === "image" ? await offers.images(ctx) : await offers.kernels(ctx);
    throw unknownName(
      kind,
      name,
      all.map(({ entry }) => entry),
    );
  }

  return { image: makeImage, kernel: makeKernel };
}

/** What it takes to tell of a way that is not open. */
interface Wanted {
  kind: "image" | "kernel";
  name: string;
  mayBuild: boolean;
  ctx: ProgressContext;
}

/** Ready-made, if it can be had so; a bundle that is another one than it should be is never passed over. */
async function readyMadeOr(
  { kind, name, mayBuild, ctx }: Wanted,
  fetchIt: (() => Promise<string>) | undefined,
  buildIt: () => Promise<string>,
): Promise<string> {
  if (fetchIt === undefined) return await buildIt();
  try {
    return await fetchIt();
  } catch (error) {
    const { code, message } = toBangerError(error);
    if (!mayBuild || !["unavailable", "not_found", "denied"].includes(code)) throw error;
    ctx.emit({
      kind: "warning",
      message: `${kind} ${name} cannot be had ready-made (${message}): it is built here by its recipe`,
    });
    return await buildIt();
  }
}

function known<T>(recipe: T | undefined): T {
  if (recipe === undefined) throw new BangerError("internal", "an entry of a catalog without any way to it");
  return recipe;
}
