/** Builds of images and kernels from the catalog: one at a time of each name, with room for it, and told of. */
import { debianMirror } from "../../apt/apt.ts";
import { BangerError, formatBytes } from "../../base/base.ts";
import type { Config } from "../../config/config.ts";
import type { Paths } from "../../config/paths.ts";
import { freeSpace } from "../../disk/disk.ts";
import {
  type buildImage,
  imageCatalog,
  listImages,
  needsMmdebstrap,
  type StoredImage,
} from "../../image/image.ts";
import { buildKernel, kernelCatalog, listKernels, type StoredKernel } from "../../kernel/kernel.ts";
import { toolOf } from "../../release/release.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";
import type { State } from "../../state/state.ts";
import type { ProgressContext } from "../parts.ts";
import { byAge, recipeOf } from "./names.ts";
import { adoptKernel, rowOf, type Stores } from "./rows.ts";
import { SharedWork } from "./shared-work.ts";
import { gatherTools } from "./tools.ts";

export interface Builds {
  /** Builds the image, and its kernel first when there is none. */
  image(name: string, ctx: ProgressContext): Promise<StoredImage>;
  kernel(name: string, ctx: ProgressContext): Promise<StoredKernel>;
}

export interface BuildMeans {
  /** What must have room for a build. */
  paths: Pick<Paths, "state" | "largerState">;
  /** Where tools are kept. */
  downloads: string;
  buildImage: typeof buildImage;
}

export function artifactBuilds(
  state: State,
  config: Config,
  stores: Stores,
  { paths, downloads, buildImage }: BuildMeans,
): Builds {
  const shared = new SharedWork();

  const makeKernel = (name: string, asked: ProgressContext): Promise<StoredKernel> =>
    shared.run(`kernel ${name}`, asked, async (ctx) => {
      const recipe = recipeOf("kernel", name, kernelCatalog);
      await needSpace(paths, spaceFor.kernel, `kernel ${name}`);
      const report = stageReporter("kernel", ctx);
      const mirror = debianMirror(config.debian_mirror);
      await buildKernel(recipe, stores.kernels, { mirror, signal: ctx.signal, progress: report.progress });
      const built = (await listKernels(stores.kernels))
        .filter((kernel) => kernel.name === name)
        .sort(byAge)
        .at(-1);
      if (built === undefined)
        throw new BangerError("internal", `kernel ${name} was built, but is not in the store`);
      state.kernels.put(rowOf(built));
      report.done();
      return built;
    });

  const makeImage = (name: string, asked: ProgressContext): Promise<StoredImage> =>
    shared.run(`image ${name}`, asked, async (ctx) => {
      const recipe = recipeOf("image", name, imageCatalog);
      await needsMmdebstrap(ctx.signal);
      const stored = await adoptKernel(state, stores, recipe.kernel);
      const kernel = stored ?? (await makeKernel(recipe.kernel, ctx));
      await needSpace(paths, spaceFor.image, `image ${name}`);
      const tools = await gatherTools({ tools: recipe.tools.map(toolOf), image: name, downloads }, ctx);
      const report = stageReporter("image", ctx);
      const mirror = debianMirror(config.debian_mirror);
      const directory = await buildImage(recipe, stores.images, {
        mirror,
        kernel,
        tools,
        signal: ctx.signal,
        progress: report.progress,
      });
      const built = (await listImages(stores.images)).find((image) => image.directory === directory);
      if (built === undefined)
        throw new BangerError("internal", `image ${name} was built, but is not in the store`);
      state.images.put({ ...rowOf(built), name });
      report.done();
      return built;
    });

  return { image: makeImage, kernel: makeKernel };
}

/** What a build takes at its largest, in bytes: packages, the unpacked tree, and the file system made of it. */
const spaceFor = { kernel: 400 * 1024 ** 2, image: 4 * 1024 ** 3 } as const;

/** Said before minutes of work, not after. */
async function needSpace(
  { state, largerState }: BuildMeans["paths"],
  bytes: number,
  what: string,
): Promise<void> {
  const free = (await freeSpace(state)).bytes;
  if (free >= bytes) return;
  throw new BangerError(
    "no_space",
    `building ${what} needs ${formatBytes(bytes)}, but ${state} has ${formatBytes(free)} free`,
    { hint: `free some space, or ${largerState}` },
  );
}

function stageReporter(stage: string, ctx: ProgressContext) {
  const started = performance.now();
  const emit = (event: LifecycleEvent) => ctx.emit(event);
  emit({ kind: "stage", stage, status: "begin" });
  return {
    progress: (message: string) => emit({ kind: "stage", stage, status: "progress", message }),
    done: () => emit({ kind: "stage", stage, status: "done", ms: performance.now() - started }),
  };
}
