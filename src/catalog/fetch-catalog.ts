/** A catalog's bytes and its signature's, from where config.toml says. */
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BangerError } from "../base/base.ts";
import { attempts, get, type Patience, readBounded, refused } from "../download/download.ts";
import { maxCatalogBytes, type SignedBytes } from "./document.ts";

export interface CatalogRoute {
  /** PEM of whom to trust for a host and port; undefined: whom Bun does. */
  authorities(host: string): Promise<string | undefined>;
  patience: Patience;
  signal: AbortSignal;
}

/** `signed`: its signature is beside it, in a file of its name with `.sig` behind it. Throws as get and readBounded do. */
export async function fetchCatalog(url: URL, signed: boolean, route: CatalogRoute): Promise<SignedBytes> {
  const read = url.protocol === "file:" ? readLocal : readRemote;
  const bytes = await read(url, maxCatalogBytes, route);
  if (!signed) return { bytes, signature: undefined };
  const signature = await read(new URL(`${url.href}.sig`), 1024, route);
  return { bytes, signature: signature.toString("latin1") };
}

async function readLocal(url: URL, maxBytes: number): Promise<Buffer> {
  const path = fileURLToPath(url);
  const found = await stat(path).catch((cause: unknown) => {
    throw new BangerError("not_found", `${path} is not there`, { cause });
  });
  // Not a pipe, which has no end.
  if (!found.isFile() || found.size > maxBytes)
    throw new BangerError("corrupt", `${path} is no file of at most ${maxBytes} bytes`);
  return await readFile(path);
}

function readRemote(
  url: URL,
  maxBytes: number,
  { authorities, patience, signal }: CatalogRoute,
): Promise<Buffer> {
  return attempts(patience, url.href, signal, async () => {
    const answer = await get({
      ...{ url, headers: {}, plainHttpHost: undefined, patience, signal },
      authorities: await authorities(url.host),
    });
    if (answer.status !== 200) throw refused(answer, url);
    return await readBounded(answer.body, maxBytes, url.href);
  });
}
