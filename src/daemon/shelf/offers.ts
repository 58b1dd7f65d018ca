/** What the catalogs offer: banger's own, and those of config.toml, which are asked when somebody looks. */
import { BangerError } from "../../base/base.ts";
import {
  type ImageEntry,
  imageCatalog,
  imageOffers,
  type KernelEntry,
  kernelCatalog,
  kernelOffers,
  type Offer,
  type OthersCatalogs,
  readOthers,
} from "../../catalog/catalog.ts";
import type { Config } from "../../config/config.ts";
import { type Patience, patience, trustedAuthorities } from "../../download/download.ts";
import type { ProgressContext } from "../parts.ts";

export interface Offers {
  /** All; tells `ctx` of catalogs that could not be asked. */
  images(ctx: ProgressContext): Promise<Offer<ImageEntry>[]>;
  kernels(ctx: ProgressContext): Promise<Offer<KernelEntry>[]>;
  /** Undefined when no catalog has it. Throws unavailable when one that might could not be asked. */
  image(name: string, ctx: ProgressContext): Promise<Offer<ImageEntry> | undefined>;
  kernel(name: string, ctx: ProgressContext): Promise<Offer<KernelEntry> | undefined>;
}

/** A catalog is small, and somebody waits for it. */
const catalogPatience: Patience = { ...patience, silenceMs: 10_000 };

export function catalogOffers(
  { catalog: sources }: Pick<Config, "catalog">,
  { cache }: { cache: string },
): Offers {
  const others = async ({ signal, emit }: ProgressContext): Promise<OthersCatalogs> => {
    const read = await readOthers(
      sources.map(({ source, key }) => ({ source, key })),
      cache,
      { signal, patience: catalogPatience, authorities: (host) => trustedAuthorities(process.env, host) },
    );
    for (const message of read.troubles) emit({ kind: "warning", message });
    return read;
  };
  const one = <E extends { name: string }>(
    kind: "image" | "kernel",
    name: string,
    own: readonly { name: string }[],
    { catalogs, troubles }: OthersCatalogs,
    offers: readonly Offer<E>[],
  ): Offer<E> | undefined => {
    const found = offers.find(({ entry }) => entry.name === name);
    const lister = catalogs.find((each) => each[`${kind}s`].some((entry) => entry.name === name));
    // As below: who has the name has said where it is, if wrongly.
    if (found === undefined && lister !== undefined) {
      throw new BangerError("corrupt", `catalog ${lister.source} has ${kind} ${name} at no address`, {
        hint: "tell whoever publishes it: what is on another machine has an https address",
      });
    }
    // What a catalog that is silent might have is not looked for elsewhere: there somebody else could have put it.
    if (
      catalogs.length < sources.length &&
      !own.some((entry) => entry.name === name) &&
      found === undefined
    ) {
      throw new BangerError("unavailable", `whether there is ${kind} ${name} is not known: ${troubles[0]}`, {
        hint: "try again; or mend its [[catalog]] in config.toml, or take it out",
      });
    }
    return found;
  };
  return {
    images: async (ctx) => imageOffers((await others(ctx)).catalogs),
    kernels: async (ctx) => kernelOffers((await others(ctx)).catalogs),
    image: async (name, ctx) => {
      const read = await others(ctx);
      return one("image", name, imageCatalog, read, imageOffers(read.catalogs));
    },
    kernel: async (name, ctx) => {
      const read = await others(ctx);
      return one("kernel", name, kernelCatalog, read, kernelOffers(read.catalogs));
    },
  };
}
