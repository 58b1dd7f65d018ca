/** Where the program in a release looks for the next one, held against where this one will be served. */
import { addressIn } from "../../src/release/trust.ts";

export const addressPath = "src/release/releases-at.txt";

/** A line for whoever makes the release, when its `banger update` would not look there; `text` is of the file. */
export function addressWarning(text: string | undefined, baseUrl: URL): string | undefined {
  const known = addressIn(text ?? "");
  const served = baseUrl.href.replace(/\/$/, "");
  if (known === undefined)
    return `warning: the program built does not know where releases are: put ${served} into ${addressPath}`;
  // However it is written: https://host and https://HOST:443 are the same.
  if (URL.canParse(known) && new URL(known).href.replace(/\/$/, "") === served) return undefined;
  return `warning: the program built will look for releases at ${known} (${addressPath}), not at ${served}`;
}
