/** The catalogs of config.toml's `[[catalog]]`: asked for when somebody looks for a name, and remembered. */
import { pathToFileURL } from "node:url";
import { BangerError, toBangerError } from "../base/base.ts";
import { readPlainFile } from "../sys/sys.ts";
import { type CatalogDocument, readCatalog } from "./document.ts";
import { type CatalogRoute, fetchCatalog } from "./fetch-catalog.ts";
import { misplaced } from "./find.ts";
import { recallCatalog, rememberCatalog } from "./seen.ts";

export interface CatalogSource {
  /** http(s), or an absolute path. */
  source: string;
  /** PEM, or the absolute path of a file of it; undefined where the file itself is trusted. */
  key: string | undefined;
}

export interface OthersCatalog extends Pick<CatalogDocument, "images" | "kernels"> {
  /** What its entries' addresses are relative to. */
  url: URL;
  /** As config.toml has it. */
  source: string;
}

export interface OthersCatalogs {
  catalogs: OthersCatalog[];
  /** Of those that could not be had, or are older than what was seen of them: what to tell. */
  troubles: string[];
}

/** In config.toml's order; what cannot be asked now is what it was when it was last seen. Throws cancelled only. */
export async function readOthers(
  sources: readonly CatalogSource[],
  cache: string,
  route: CatalogRoute,
): Promise<OthersCatalogs> {
  const troubles: string[] = [];
  const read = await Promise.all(
    sources.map(async (source) => {
      try {
        return await readOne(source, cache, route, (trouble) => troubles.push(trouble));
      } catch (error) {
        if (route.signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: error });
        const { message, hint } = toBangerError(error);
        troubles.push(
          `catalog ${source.source} is left out: ${message}${hint === undefined ? "" : ` (${hint})`}`,
        );
        return undefined;
      }
    }),
  );
  return { catalogs: read.filter((catalog) => catalog !== undefined), troubles };
}

async function readOne(
  { source, key }: CatalogSource,
  cache: string,
  route: CatalogRoute,
  trouble: (message: string) => void,
): Promise<OthersCatalog> {
  const url = source.startsWith("/") ? pathToFileURL(source) : new URL(source);
  const pem = await pemOf(key);
  const named = ({ images, kernels }: CatalogDocument): OthersCatalog => ({ url, source, images, kernels });
  const seen = await recall(cache, source, pem);
  let fetched: Awaited<ReturnType<typeof fetchCatalog>>;
  try {
    fetched = await fetchCatalog({ url, signed: pem !== undefined, once: seen !== undefined }, route);
  } catch (error) {
    if (seen === undefined) throw error;
    trouble(
      `catalog ${source} cannot be had (${toBangerError(error).message}): going by what it said at ${seen.at}`,
    );
    return named(seen.document);
  }
  const document = readCatalog(fetched, pem, source);
  if (seen !== undefined && document.serial < seen.document.serial) {
    throw new BangerError(
      "denied",
      `it has the serial number ${document.serial}, and had ${seen.document.serial} at ${seen.at}: somebody hands out an old one`,
    );
  }
  await rememberCatalog(cache, source, fetched).catch((error: unknown) => {
    const { message } = toBangerError(error);
    trouble(`what catalog ${source} says is not kept for when it cannot be had: ${message}`);
  });
  for (const { name, bundle } of [...document.images, ...document.kernels]) {
    const wrong = misplaced(bundle.url, url);
    if (wrong !== undefined) trouble(`${name} of catalog ${source} is left out: ${bundle.url}: ${wrong}`);
  }
  return named(document);
}

/** What was seen before, if it is still to be believed: the key may have been replaced since. */
async function recall(
  cache: string,
  source: string,
  pem: string | undefined,
): Promise<{ document: CatalogDocument; at: string } | undefined> {
  const seen = await recallCatalog(cache, source);
  if (seen === undefined) return undefined;
  try {
    return { document: readCatalog(seen, pem, source), at: seen.seenAt };
  } catch {
    // Of another key, or of another version of banger.
    return undefined;
  }
}

const maxKeyBytes = 64 * 1024;

async function pemOf(key: string | undefined): Promise<string | undefined> {
  if (key === undefined || !key.startsWith("/")) return key;
  try {
    return (await readPlainFile(key, maxKeyBytes)).toString("utf8");
  } catch (cause) {
    throw new BangerError("bad_config", `the catalog's key ${key} cannot be read`, { cause });
  }
}
