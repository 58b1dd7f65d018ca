/** Names, looked up in all catalogs: config.toml's first, in its order, then banger's own. */
import { fileURLToPath } from "node:url";
import type { BundleEntry, ImageEntry, KernelEntry } from "./entries.ts";
import type { OthersCatalog } from "./others.ts";
import { imageCatalog, kernelCatalog } from "./own.ts";

/** Where a bundle is. */
export type BundlePlace = Omit<BundleEntry, "url"> & { at: { url: URL } | { path: string } };

export interface Offer<E> {
  entry: E;
  /** Undefined: it is built. */
  bundle: BundlePlace | undefined;
  /** Where config.toml's catalog is; undefined for banger's own. */
  source: string | undefined;
}

/** One of each name. What another catalog has as a bundle and banger's own as a recipe can be had by either. */
export function imageOffers(others: readonly OthersCatalog[]): Offer<ImageEntry>[] {
  return offers<ImageEntry>(
    others.map((catalog) => ({ ...catalog, entries: catalog.images })),
    imageCatalog,
  );
}

export function kernelOffers(others: readonly OthersCatalog[]): Offer<KernelEntry>[] {
  return offers<KernelEntry>(
    others.map((catalog) => ({ ...catalog, entries: catalog.kernels })),
    kernelCatalog,
  );
}

interface Listed<E> extends Pick<OthersCatalog, "url" | "source"> {
  entries: readonly E[];
}

function offers<E extends ImageEntry | KernelEntry>(
  others: readonly Listed<E>[],
  own: readonly E[],
): Offer<E>[] {
  const found = new Map<string, Offer<E>>();
  for (const { entries, url, source } of others) {
    for (const entry of entries) {
      if (found.has(entry.name)) continue;
      const recipe = own.find(({ name }) => name === entry.name)?.recipe;
      const bundle = placeOf(entry.bundle, url);
      // What can be had in no way is not offered.
      if (bundle !== undefined) found.set(entry.name, { entry: { ...entry, recipe }, bundle, source });
    }
  }
  for (const entry of own) {
    if (found.has(entry.name)) continue;
    found.set(entry.name, { entry, bundle: placeOf(entry.bundle, undefined), source: undefined });
  }
  return [...found.values()];
}

/** Undefined for what is at no address. `base` is its catalog's; banger's own has none. */
function placeOf(bundle: BundleEntry | undefined, base: URL | undefined): BundlePlace | undefined {
  if (bundle === undefined || !URL.canParse(bundle.url, base?.href)) return undefined;
  const url = new URL(bundle.url, base?.href);
  // A catalog on this machine may name files of it; one from elsewhere may not.
  if (url.protocol !== "file:") return { ...bundle, at: { url } };
  if (base?.protocol !== "file:" || misplaced(bundle.url, base) !== undefined) return undefined;
  return { ...bundle, at: { path: fileURLToPath(url) } };
}

/** What is wrong with an address of a file: one of another machine, or with a slash that is written as %2f. */
export function misplaced(address: string, base: URL): string | undefined {
  if (!URL.canParse(address, base.href)) return "it is no address";
  const url = new URL(address, base.href);
  if (url.protocol !== "file:") return undefined;
  try {
    const path = fileURLToPath(url);
    return url.host === "" && !path.includes("\0") ? undefined : "it is no file of this machine";
  } catch {
    return "it is no file of this machine";
  }
}
