/** Signing by openssl, as docs/image-catalog.md has people check it. */
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { runTool } from "./tool.ts";

export interface Signer {
  /** PEM. */
  publicKey: string;
  /** One line of base64. */
  sign(bytes: Buffer): string;
}

/** Throws bad_config for a key of another kind than banger believes, operation_failed with what openssl says. */
export function signer(privateKey: string): Signer {
  const publicKey = runTool("openssl", ["pkey", "-in", privateKey, "-pubout"]).toString();
  const key = signatureKey(publicKey);
  return {
    publicKey,
    sign: (bytes) => {
      const signature = runTool("openssl", ["dgst", "-sha256", "-sign", privateKey], { input: bytes });
      const line = `${signature.toString("base64")}\n`;
      if (!isSigned(bytes, line, key)) throw new Error("openssl's signature does not hold");
      return line;
    },
  };
}
