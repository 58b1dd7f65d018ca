/** Container images, imported under a name: one at a time of each, with room for it, and told of. */
import { BangerError } from "../../base/base.ts";
import { imageCatalog, kernelCatalog } from "../../catalog/catalog.ts";
import { patience, trustedAuthorities } from "../../download/download.ts";
import { type ImportPart, importImage, readImage, removeImage, type StoredImage } from "../../image/image.ts";
import { listKernels, type StoredKernel } from "../../kernel/kernel.ts";
import { dockerCredentials, formatImageName, nameInStore, parseImageName } from "../../oci/oci.ts";
import type { State } from "../../state/state.ts";
import type { ProgressContext } from "../parts.ts";
import { byteStages } from "./byte-stages.ts";
import { pick } from "./names.ts";
import { needRoom, type RoomPaths } from "./room-for.ts";
import { findImage, idOf, rowOf, type Stores } from "./rows.ts";
import { SharedWork } from "./shared-work.ts";
import type { Supply } from "./supply.ts";

const stageOf: Readonly<Record<ImportPart, string>> = {
  manifest: "image_manifest",
  layers: "image_layers",
  root: "image_root",
};

export interface ImportRequest {
  /** As the user wrote it. */
  ref: string;
  /** Undefined: made of the reference. */
  name: string | undefined;
  sizeBytes: number | undefined;
  /** A kernel by name or digest; undefined: the one of the catalog's images. */
  kernel: string | undefined;
  insecureHttp: boolean;
}

export interface ImportMeans {
  paths: RoomPaths;
  supplyKernel: Supply["kernel"];
}

/** Throws already_exists for a name that is taken; else as importImage, and as a kernel's build. */
export type ImportByName = (request: ImportRequest, ctx: ProgressContext) => Promise<StoredImage>;

export function imageImports(
  state: State,
  stores: Stores,
  { paths, supplyKernel }: ImportMeans,
): ImportByName {
  const shared = new SharedWork();
  return async (request, asked) => {
    const from = parseImageName(request.ref);
    const name = request.name ?? freeOfCatalog(nameInStore(from));
    await refuseTaken(state, stores, name);
    const key = JSON.stringify([formatImageName(from), name, request.sizeBytes, request.kernel]);
    return await shared.run(key, asked, async (ctx) => {
      const report = byteStages((event) => ctx.emit(event));
      const { directory, totals } = await importImage(
        {
          ...{ from, name, sizeBytes: request.sizeBytes, cache: paths.cache, signal: ctx.signal },
          kernel: () => {
            report.end();
            return kernelOf(request.kernel, ctx);
          },
          registry: {
            credentials: dockerCredentials(process.env),
            insecureHttp: request.insecureHttp,
            patience,
            authorities: (host) => trustedAuthorities(process.env, host),
          },
          needSpace: (where, bytes) => needRoom(paths, where, bytes, `image ${name}`),
          progress: (part, done, total) => report.progress(stageOf[part], done, total),
        },
        stores.images,
      );
      report.end();
      const image = await readImage(stores.images, idOf(directory));
      await refuseTaken(state, stores, name).catch(async (error: unknown) => {
        await removeImage(stores.images, image.id);
        throw error;
      });
      state.images.put({ ...rowOf(image), name });
      if (totals.specials > 0) {
        const message = `${totals.specials} devices and FIFOs of ${name} were left out: a guest's kernel makes its own`;
        ctx.emit({ kind: "warning", message });
      }
      return image;
    });
  };

  async function kernelOf(ref: string | undefined, ctx: ProgressContext): Promise<StoredKernel> {
    const wanted = ref ?? imageCatalog[0]?.kernel ?? "";
    try {
      return pick("kernel", wanted, await listKernels(stores.kernels), kernelCatalog);
    } catch (error) {
      if (!(error instanceof BangerError) || error.code !== "not_found") throw error;
      return await supplyKernel(wanted, ctx);
    }
  }
}

/** A catalog's name stays the catalog's: what a VM gets by it does not depend on what was pulled before. */
function freeOfCatalog(name: string): string {
  return isCatalogName(name) ? `${name.slice(0, 60)}-oci` : name;
}

export function isCatalogName(name: string): boolean {
  return imageCatalog.some((entry) => entry.name === name);
}

async function refuseTaken(state: State, stores: Stores, name: string): Promise<void> {
  if (isCatalogName(name)) {
    throw new BangerError("already_exists", `${name} is the name of an image of banger's own`, {
      hint: "give it another: --name NAME",
    });
  }
  if ((await findImage(state, stores, name)) === undefined) return;
  throw new BangerError("already_exists", `there is an image ${name} already`, {
    hint: `give this one another name: --name NAME; or remove that one: banger image delete ${name}`,
  });
}
