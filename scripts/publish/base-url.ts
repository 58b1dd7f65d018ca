/** Where what is published will be served, as scripts are told. */
import { isLoopback } from "../../src/download/download.ts";

/** With a slash at its end. Undefined for what banger would not download from. */
export function parseBaseUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const asked = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url));
  if (url === undefined || !asked || url.search !== "" || url.hash !== "" || url.username !== "")
    return undefined;
  return url.pathname.endsWith("/") ? url : new URL(`${url.href}/`);
}
