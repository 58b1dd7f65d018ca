/** A catalog of somebody else's, as its bytes say it, and what it takes to believe them. */
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { isSigned, signatureKey } from "../download/download.ts";
import { OthersImage, OthersKernel } from "./entries.ts";

export const maxCatalogBytes: number = 4 * 1024 * 1024;

const Document = z.strictObject({
  version: z.literal(1),
  /** Raised with each publication: one with a lower number than was seen before is an old one, signed as it is. */
  serial: z.int().nonnegative(),
  images: z.array(OthersImage).max(1000).default([]),
  kernels: z.array(OthersKernel).max(1000).default([]),
});
export type CatalogDocument = z.infer<typeof Document>;

/** Bytes with the signature that came with them; undefined where none is asked for. */
export interface SignedBytes {
  bytes: Buffer;
  signature: string | undefined;
}

/** Throws denied without the key's signature, corrupt for what is no catalog. `what` is for messages. */
export function readCatalog(
  { bytes, signature }: SignedBytes,
  pem: string | undefined,
  what: string,
): CatalogDocument {
  if (pem !== undefined && !isSigned(bytes, signature ?? "", signatureKey(pem))) {
    throw new BangerError("denied", `${what} is not signed by the key that config.toml has for it`, {
      hint: "ask whoever publishes it for their present key, by another way than the catalog's own",
    });
  }
  const parsed = Document.safeParse(parseJson(bytes));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
    throw new BangerError("corrupt", `${what} is no catalog: ${where}${issue?.message}`);
  }
  for (const entries of [parsed.data.images, parsed.data.kernels]) {
    const names = entries.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new BangerError("corrupt", `${what} has ${twice} twice`);
  }
  return parsed.data;
}

/** Undefined for what is no JSON, which no schema takes. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
