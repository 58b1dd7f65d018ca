/** The release's key: which one it is, and its signature of SHA256SUMS, as `cosign sign-blob` makes it. */
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { BangerError } from "../../src/base/base.ts";
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { signer } from "../publish/sign.ts";
import { runTool } from "../publish/tool.ts";

/** Public, in the source: updaters have it in them, the installer gets it put in. */
export const keyPath = "src/release/release-key.pem";

export interface ReleaseKey {
  /** As the installer gets it. */
  pem: string;
  /** Of the file. Throws for a signature that is not the released key's. */
  sign(path: string): string;
}

export type SignBy = { key: string } | { signer: string };

/** Throws bad_config for a placeholder, and for a private key whose public half is another than `pem`. */
export function releaseKey(pem: string, by: SignBy): ReleaseKey {
  if (!/^-----BEGIN PUBLIC KEY-----$/m.test(pem)) {
    throw new BangerError("bad_config", `${keyPath} is a placeholder: nobody could verify this release`, {
      hint: "put the public key into it, and commit it (docs/release-process.md); --unsigned makes files that are no release",
    });
  }
  const key = signatureKey(pem);
  const line = "key" in by ? byKey(by.key, key) : (path: string) => byCommand(by.signer, path);
  return {
    pem: key.export({ type: "spki", format: "pem" }).toString(),
    sign: (path) => {
      const signature = line(path);
      if (isSigned(readFileSync(path), signature, key)) return signature;
      throw new BangerError("bad_config", `the signature of ${path} is not by the key of ${keyPath}`, {
        hint: "sign with the private half of that key: what others have verifies nothing else",
      });
    },
  };
}

function byKey(path: string, released: KeyObject): (path: string) => string {
  const { publicKey, sign } = signer(path);
  if (!signatureKey(publicKey).equals(released)) {
    throw new BangerError("bad_config", `the public half of ${path} is not the key in ${keyPath}`, {
      hint: "sign with the private half of that key: what others have verifies nothing else",
    });
  }
  return (file) => sign(readFileSync(file));
}

/** COMMAND is the caller's own, as they would type it; the path is its last argument. */
function byCommand(command: string, path: string): string {
  const said = runTool("sh", ["-c", `${command} "$1"`, "sh", path], { shown: true }).toString();
  return `${said.trim()}\n`;
}
