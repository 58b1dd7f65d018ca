/** Images and kernels of banger's own, built by their recipes. */
import { debianMirror } from "../../apt/apt.ts";
import type { ImageRecipe, KernelRecipe } from "../../catalog/catalog.ts";
import type { Config } from "../../config/config.ts";
import { type buildImage, needsMmdebstrap } from "../../image/image.ts";
import { buildKernel, type StoredKernel } from "../../kernel/kernel.ts";
import { toolOf } from "../../release/release.ts";
import type { ProgressContext } from "../parts.ts";
import { needRoom, type RoomPaths } from "./room-for.ts";
import type { Stores } from "./rows.ts";
import { gatherTools } from "./tools.ts";

export interface RecipeMeans {
  config: Pick<Config, "debian_mirror">;
  stores: Stores;
  /** What must have room for a build. */
  paths: RoomPaths;
  /** Where tools are kept. */
  downloads: string;
  buildImage: typeof buildImage;
}

export interface Recipes {
  /** The finished directory. `kernel` makes the kernel when there is none. */
  image(recipe: ImageRecipe, kernel: () => Promise<StoredKernel>, ctx: ProgressContext): Promise<string>;
  kernel(recipe: KernelRecipe, ctx: ProgressContext): Promise<string>;
}

/** What a build takes at its largest, in bytes: packages, the unpacked tree, and the file system made of it. */
const spaceFor = { kernel: 400 * 1024 ** 2, image: 4 * 1024 ** 3 } as const;

export function recipes({ config, stores, paths, downloads, buildImage }: RecipeMeans): Recipes {
  const mirror = () => debianMirror(config.debian_mirror);
  return {
    kernel: async (recipe, ctx) => {
      await needRoom(paths, "store", spaceFor.kernel, `building kernel ${recipe.name}`);
      return await asStage("kernel", ctx, (progress) =>
        buildKernel(recipe, stores.kernels, { mirror: mirror(), signal: ctx.signal, progress }),
      );
    },
    image: async (recipe, kernel, ctx) => {
      await needsMmdebstrap(ctx.signal);
      const its = await kernel();
      await needRoom(paths, "store", spaceFor.image, `building image ${recipe.name}`);
      const {
        name,
        recipe: { tools: named },
      } = recipe;
      const tools = await gatherTools({ tools: named.map(toolOf), image: name, downloads }, ctx);
      const build = { mirror: mirror(), kernel: its, tools, signal: ctx.signal };
      return await asStage("image", ctx, (progress) =>
        buildImage(recipe, stores.images, { ...build, progress }),
      );
    },
  };
}

/** Work as a stage that people see. */
export async function asStage<T>(
  stage: string,
  ctx: ProgressContext,
  work: (progress: (message: string) => void) => Promise<T>,
): Promise<T> {
  const started = performance.now();
  ctx.emit({ kind: "stage", stage, status: "begin" });
  const result = await work((message) => ctx.emit({ kind: "stage", stage, status: "progress", message }));
  ctx.emit({ kind: "stage", stage, status: "done", ms: performance.now() - started });
  return result;
}
