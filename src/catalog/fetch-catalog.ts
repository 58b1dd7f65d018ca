/** A catalog's bytes and its signature's, from where config.toml says. */
import { fileURLToPath } from "node:url";
import { attempts, get, type Patience, readBounded, refused } from "../download/download.ts";
import { readPlainFile } from "../sys/sys.ts";
import { maxCatalogBytes, type SignedBytes } from "./document.ts";

export interface CatalogRoute {
  /** PEM of whom to trust for a host and port; undefined: whom Bun does. */
  authorities(host: string): Promise<string | undefined>;
  patience: Patience;
  signal: AbortSignal;
}

export interface CatalogFetch {
  url: URL;
  /** Its signature is beside it, in a file of its name with `.sig` behind it. */
  signed: boolean;
  /** Somebody waits, and it is known what it said before: a server that does not answer is asked no second time. */
  once: boolean;
}

/** Throws as get and readBounded do. */
export async function fetchCatalog(wanted: CatalogFetch, route: CatalogRoute): Promise<SignedBytes> {
  const read = (url: URL, maxBytes: number): Promise<Buffer> =>
    url.protocol === "file:" ? readLocal(url, maxBytes) : readRemote(url, maxBytes, wanted.once, route);
  const bytes = await read(wanted.url, maxCatalogBytes);
  if (!wanted.signed) return { bytes, signature: undefined };
  const signature = await read(new URL(`${wanted.url.href}.sig`), 1024);
  return { bytes, signature: signature.toString("latin1") };
}

async function readLocal(url: URL, maxBytes: number): Promise<Buffer> {
  const path = fileURLToPath(url);
  return await readPlainFile(path, maxBytes);
}

async function readRemote(
  url: URL,
  maxBytes: number,
  once: boolean,
  { authorities, patience, signal }: CatalogRoute,
): Promise<Buffer> {
  const attempt = async () => {
    const answer = await get({
      url,
      headers: {},
      plainHttpHost: undefined,
      patience,
      signal,
      authorities: await authorities(url.host),
    });
    if (answer.status !== 200) throw refused(answer, url);
    return await readBounded(answer.body, maxBytes, url.href);
  };
  return once ? await attempt() : await attempts(patience, url.href, signal, attempt);
}
