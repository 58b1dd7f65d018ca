/** Images and kernels that a catalog has ready-made. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { BundlePlace } from "../../catalog/catalog.ts";
import { httpFile, localFile, patience, trustedAuthorities } from "../../download/download.ts";
import { pullImage } from "../../image/image.ts";
import { pullKernel } from "../../kernel/kernel.ts";
import type { ProgressContext } from "../parts.ts";
import { byteStages } from "./byte-stages.ts";
import { needRoom, type RoomPaths } from "./room-for.ts";
import type { Stores } from "./rows.ts";

export interface Bundles {
  /** The finished directory. `kernel` gives the kernel for the one that the bundle's maker had. Throws as pullBundle; no_space. */
  image(
    name: string,
    bundle: BundlePlace,
    kernel: (wanted: { id: string; name: string }) => Promise<{ id: string; name: string }>,
    ctx: ProgressContext,
  ): Promise<string>;
  kernel(name: string, bundle: BundlePlace, ctx: ProgressContext): Promise<string>;
}

export function bundles(stores: Stores, paths: RoomPaths): Bundles {
  const prepare = async (
    kind: "image" | "kernel",
    name: string,
    bundle: BundlePlace,
    ctx: ProgressContext,
  ) => {
    const { at, size, unpackedBytes, sha256 } = bundle;
    await needRoom(paths, "cache", size, `fetching ${kind} ${name}`);
    await needRoom(paths, "store", unpackedBytes, `${kind} ${name}`);
    const source =
      "url" in at
        ? httpFile({ ...at, patience, authorities: (host) => trustedAuthorities(process.env, host) })
        : localFile(at.path);
    const stages = byteStages((event) => ctx.emit(event));
    return {
      request: {
        ...{ name, from: "url" in at ? at.url.href : at.path, source, sha256, size, unpackedBytes },
        ...{ cache: paths.cache, patience, signal: ctx.signal },
        progress: (done: number) => stages.progress(`${kind}_bundle`, done, size),
      },
      end: stages.end,
    };
  };
  return {
    image: async (name, bundle, kernel, ctx) => {
      const { request, end } = await prepare("image", name, bundle, ctx);
      // A kernel that has to be fetched has a stage of its own.
      const itsKernel = (wanted: { id: string; name: string }) => {
        end();
        return kernel(wanted);
      };
      return await asFetching("image", request, () =>
        pullImage({ ...request, kernel: itsKernel }, stores.images),
      );
    },
    kernel: async (name, bundle, ctx) => {
      const { request, end } = await prepare("kernel", name, bundle, ctx);
      const directory = await asFetching("kernel", request, () => pullKernel(request, stores.kernels));
      end();
      return directory;
    },
  };
}

/** What is wrong with a bundle is told with its name and its place: who fetches it has written neither. */
async function asFetching<T>(
  kind: "image" | "kernel",
  { name, from }: { name: string; from: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message, hint } = toBangerError(error);
    if (code !== "corrupt" && code !== "not_found") throw error;
    throw new BangerError(code, `the bundle of ${kind} ${name} at ${from}: ${message}`, {
      hint: hint ?? "try again; if it stays so, tell whoever publishes its catalog",
      cause: error,
    });
  }
}
