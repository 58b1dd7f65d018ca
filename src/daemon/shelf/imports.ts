/** Container images, imported under a name: one at a time of each, with room for it, and told of. */
import { artifactNameGrammar, BangerError, shellWord } from "../../base/base.ts";
import { patience, trustedAuthorities } from "../../download/download.ts";
import {
  type ImportPart,
  importImage,
  listImages,
  readImage,
  removeImage,
  type StoredImage,
} from "../../image/image.ts";
import type { StoredKernel } from "../../kernel/kernel.ts";
import {
  dockerCredentials,
  formatImageName,
  type ImageName,
  imageLimits,
  nameInStore,
  openSource,
  parseImageName,
  pinnedDigest,
  type RegistryOptions,
  resolveManifest,
} from "../../oci/oci.ts";
import type { State } from "../../state/state.ts";
import type { ProgressContext } from "../parts.ts";
import { byteStages } from "./byte-stages.ts";
import type { HeldKernels } from "./held-kernels.ts";
import { isCatalogName, refuseTaken } from "./names.ts";
import { needRoom, type RoomPaths } from "./room-for.ts";
import { byAge, findImage, idOf, rowOf, type Stores } from "./rows.ts";
import { SharedWork } from "./shared-work.ts";

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
  /** What is told of where it came from; undefined: what `ref` means. */
  recordedAs: string | undefined;
}

export interface ImportMeans {
  paths: RoomPaths;
  /** The kernel of a name, which may have to be fetched; undefined: the one of banger's own images. */
  kernelOf(ref: string | undefined, ctx: ProgressContext): Promise<StoredKernel>;
  held: HeldKernels;
}

export interface ImageImports {
  /**
   * The image that is there already, when it is what `ref` means today; else made. Throws already_exists for a name that is
   * taken by another; else as importImage, and as a kernel's build.
   */
  byName(request: ImportRequest, ctx: ProgressContext): Promise<StoredImage>;
  /** What a reference means: the image that was pulled by it, under whatever name, else pulled now, under its own. */
  byReference(ref: string, ctx: ProgressContext): Promise<StoredImage>;
  /** The name that it would get. Throws already_exists; bad_request for what is no reference. */
  nameOf(request: Pick<ImportRequest, "ref" | "name">): Promise<string>;
}

export function imageImports(
  state: State,
  stores: Stores,
  { paths, kernelOf, held }: ImportMeans,
): ImageImports {
  const shared = new SharedWork();
  const nameFor = async ({ ref, name: given }: Pick<ImportRequest, "ref" | "name">): Promise<string> => {
    // An image of the user's own is not looked for at a registry by its name: there somebody else could have put one.
    if (given === undefined && artifactNameGrammar.test(ref)) await refuseTaken(state, stores, ref);
    return given ?? freeOfCatalog(nameInStore(parseImageName(ref)));
  };
  const nameOf: ImageImports["nameOf"] = async (request) => {
    const name = await nameFor(request);
    await refuseTaken(state, stores, name);
    return name;
  };
  /** The image of a name, when it was pulled by the same reference, with nothing else asked for. */
  const pulledBy = async (name: string, { recordedAs, sizeBytes, kernel, ref }: ImportRequest) => {
    if ((recordedAs ?? sizeBytes ?? kernel) !== undefined) return undefined;
    const image = await findImage(state, stores, name);
    const same = image?.oci?.reference === formatImageName(parseImageName(ref));
    return same && image.origin === undefined ? image : undefined;
  };
  const byName: ImageImports["byName"] = async (request, asked) => {
    const from = parseImageName(request.ref);
    const name = await nameFor(request);
    const present = await pulledBy(name, request);
    if (present !== undefined) {
      await checkSame(present, from, registryOf(request), asked.signal);
      return present;
    }
    await refuseTaken(state, stores, name);
    const key = JSON.stringify([formatImageName(from), name, request.sizeBytes, request.kernel]);
    return await shared.run(key, asked, (ctx) =>
      held.during(name, async (hold) => {
        const report = byteStages((event) => ctx.emit(event));
        const { directory, totals } = await importImage(
          {
            ...{
              from,
              name,
              recordedAs: request.recordedAs,
              sizeBytes: request.sizeBytes,
              cache: paths.cache,
              signal: ctx.signal,
            },
            kernel: async () => {
              report.end();
              return hold(await kernelOf(request.kernel, ctx));
            },
            registry: registryOf(request),
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
        if (totals.displaced > 0) {
          const message = `lost+found of ${name} was left out, as it is no directory: that name is the file system's own`;
          ctx.emit({ kind: "warning", message });
        }
        if (totals.specials > 0) {
          const message = `${totals.specials} devices and FIFOs of ${name} were left out: a guest's kernel makes its own`;
          ctx.emit({ kind: "warning", message });
        }
        return image;
      }),
    );
  };
  const byReference: ImageImports["byReference"] = async (ref, ctx) => {
    const reference = formatImageName(parseImageName(ref));
    const pulled = (await listImages(stores.images)).filter(
      ({ oci, origin }) =>
        oci?.reference === reference && (origin === undefined || origin.kind === "provisioned"),
    );
    const asIs = { name: undefined, sizeBytes: undefined, kernel: undefined, recordedAs: undefined };
    const request = { ref, ...asIs, insecureHttp: false };
    const newest = pulled.sort(byAge).at(-1);
    if (newest === undefined) return await byName(request, ctx);
    const from = parseImageName(ref);
    // Nobody asks a registry for each VM; what is on this disk may be another one since.
    if (from.from !== "registry") await checkSame(newest, from, registryOf(request), ctx.signal);
    return newest;
  };
  return { byName, byReference, nameOf };
}

function registryOf({ insecureHttp }: Pick<ImportRequest, "insecureHttp">): RegistryOptions {
  return {
    credentials: dockerCredentials(process.env),
    insecureHttp,
    patience,
    authorities: (host) => trustedAuthorities(process.env, host),
  };
}

/** Throws already_exists when what `from` means is another image now than the one that was pulled by it. */
async function checkSame(
  { name, oci }: StoredImage,
  from: ImageName,
  registry: RegistryOptions,
  signal: AbortSignal,
): Promise<void> {
  const source = await openSource(from, registry, signal);
  try {
    const { digest } = await resolveManifest(source, pinnedDigest(from), imageLimits, signal);
    if (digest === oci?.digest) return;
  } finally {
    await source.close();
  }
  const image = formatImageName(from);
  throw new BangerError(
    "already_exists",
    `${image} is another image now than ${name}, which was pulled by it`,
    {
      hint: `have the new one beside it: banger image pull --name NAME ${shellWord(image)}\nor in its place: banger image delete ${name}, and pull again`,
    },
  );
}

/** A catalog's name stays the catalog's: what a VM gets by it does not depend on what was pulled before. */
function freeOfCatalog(name: string): string {
  return isCatalogName(name) ? `${name.slice(0, 60)}-oci` : name;
}
