/**
 * Detached signatures: ECDSA on P-256 with SHA-256, in DER, in base64, as `cosign sign-blob` and
 * `openssl dgst -sha256 -sign` write them.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { BangerError } from "../base/base.ts";

/** One line of base64 without anything around it: Buffer's decoder takes what it can read, and leaves out the rest. */
const grammar = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n?$/;
/** Two numbers of 33 bytes at most, with their heads, in base64. */
const maxText = 128;

/** A public key in PEM. Throws bad_config for what is none, or of another kind. */
export function signatureKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new BangerError("bad_config", "what is given as a key is no public key in PEM", { cause });
  }
  // Private keys have public halves: who writes one into a configuration file has mistaken it for the other.
  if (pem.includes("PRIVATE") || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new BangerError("bad_config", "what is given as a key is no public key on the curve P-256", {
      hint: "make a pair: openssl ecparam -genkey -name prime256v1 -noout -out KEY && openssl ec -in KEY -pubout",
    });
  }
  return key;
}

/** Whether `signature`, a file's text, is the key's for `bytes`. */
export function isSigned(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
  if (signature.length > maxText || !grammar.test(signature)) return false;
  const text = signature.trimEnd();
  const der = Buffer.from(text, "base64");
  // The last letter before the padding has bits that say nothing: they are 0.
  if (der.toString("base64") !== text) return false;
  return verify("sha256", bytes, { key, dsaEncoding: "der" }, der);
}
