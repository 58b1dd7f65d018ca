/** Digests by which the ecosystem names content. A value of this type has passed its grammar: it may become a path. */
import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { z } from "zod";

/** The image specification's two registered algorithms, in lower-case hex; anything else names nothing here. */
export const Digest = z
  .string()
  .regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, "is not a sha256 or sha512 digest")
  .brand<"Digest">();
export type Digest = z.infer<typeof Digest>;

export interface DigestParts {
  algorithm: "sha256" | "sha512";
  hex: string;
}

export function digestParts(digest: Digest): DigestParts {
  const [algorithm, hex = ""] = digest.split(":");
  return { algorithm: algorithm === "sha512" ? "sha512" : "sha256", hex };
}

/** A hash that will tell whether bytes are the ones that `digest` names. */
export function hashFor(digest: Digest): Hash {
  return createHash(digestParts(digest).algorithm);
}

/** Ends a hash of `hashFor`: what the bytes are named in truth. */
export function endHash(hash: Hash, digest: Digest): Digest {
  return Digest.parse(`${digestParts(digest).algorithm}:${hash.digest("hex")}`);
}

export function sha256Of(bytes: Uint8Array): Digest {
  return Digest.parse(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

/** The algorithm and as many digits as people compare. */
export function shortDigest(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return `${algorithm}:${hex.slice(0, 12)}`;
}

/** What an open file's bytes are named, by the algorithm of `like`. */
export async function digestOfFile(file: FileHandle, like: Digest): Promise<Digest> {
  const hash = hashFor(like);
  const buffer = Buffer.alloc(1024 * 1024);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return endHash(hash, like);
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
