/** From a reference to one image: through indexes to the manifest for linux/amd64, and its configuration. */
import type { FileHandle } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { type Digest, digestParts, endHash, hashFor, sha256Of, shortDigest } from "../download/download.ts";
import {
  checkMediaTypes,
  type Descriptor,
  type ImageConfig,
  type Manifest,
  parseConfig,
  parseDocument,
} from "./documents.ts";
import type { Limits } from "./limits.ts";
import { candidates, checkPlatform } from "./platform.ts";
import type { FetchedDocument, ImageSource } from "./source.ts";

export interface ResolvedManifest {
  manifest: Manifest;
  /** Of the manifest's bytes. */
  digest: Digest;
}

/** Throws corrupt for what contradicts itself, precondition for what is no image for a guest. */
export async function resolveManifest(
  source: ImageSource,
  pinned: Digest | undefined,
  limits: Limits,
  signal: AbortSignal,
): Promise<ResolvedManifest> {
  const root = await source.root(signal);
  if (pinned !== undefined) checkDigest(root.bytes, pinned, source.reference);
  return await follow(root, source.reference, new Set([pinned ?? sha256Of(root.bytes)]));

  async function follow(
    { bytes, mediaType }: FetchedDocument,
    what: string,
    way: ReadonlySet<Digest>,
  ): Promise<ResolvedManifest> {
    const parsed = parseDocument(bytes, mediaType, what);
    if (parsed.kind === "manifest") {
      checkManifest(parsed.manifest, what, limits);
      return { manifest: parsed.manifest, digest: [...way].at(-1) ?? sha256Of(bytes) };
    }
    if (way.size > limits.indexDepth) {
      throw new BangerError(
        "corrupt",
        `${source.reference} has indexes within indexes, more than ${limits.indexDepth} deep`,
      );
    }
    const [chosen] = candidates(parsed.index, what);
    if (chosen === undefined) throw new BangerError("corrupt", `${what} is an index of nothing`);
    // Nobody can make a digest that contains itself; but what is not checked by digest could come round.
    if (way.has(chosen.digest))
      throw new BangerError("corrupt", `${source.reference} has an index that leads to itself`);
    return await follow(
      await documentOf(source, chosen, limits, signal),
      `${source.reference} (${shortDigest(chosen.digest)})`,
      new Set([...way, chosen.digest]),
    );
  }
}

/** A document as its descriptor says: kind, size and digest. */
async function documentOf(
  source: ImageSource,
  descriptor: Descriptor,
  limits: Limits,
  signal: AbortSignal,
): Promise<FetchedDocument> {
  const what = `${source.reference} (${shortDigest(descriptor.digest)})`;
  if (descriptor.size > limits.documentBytes) throw tooLarge(what, limits);
  const { bytes } = await source.document(descriptor, signal);
  if (bytes.length !== descriptor.size) {
    throw new BangerError(
      "corrupt",
      `${what} has ${bytes.length} bytes, but its index says ${descriptor.size}`,
    );
  }
  checkDigest(bytes, descriptor.digest, what);
  // The index's word: its digest covers it, and nothing covers a header.
  return { bytes, mediaType: descriptor.mediaType };
}

function checkManifest(manifest: Manifest, what: string, limits: Limits): void {
  checkMediaTypes(manifest, what);
  const { config, layers } = manifest;
  if (config.size > limits.documentBytes) throw tooLarge(`the configuration of ${what}`, limits);
  if (layers.length > limits.layers) {
    throw new BangerError(
      "precondition",
      `${what} has ${layers.length} layers; banger takes ${limits.layers}`,
    );
  }
  const packed = layers.reduce((sum, { size }) => sum + size, 0);
  if (packed > limits.packedBytes) {
    throw new BangerError(
      "precondition",
      `the layers of ${what} have ${packed} bytes; banger takes ${limits.packedBytes}`,
    );
  }
}

/** The configuration, from its blob. Throws corrupt when it does not belong to the manifest. */
export async function readConfig(
  blob: FileHandle,
  { config, layers }: Manifest,
  what: string,
): Promise<ImageConfig> {
  const bytes = Buffer.alloc(config.size);
  const { bytesRead } = await blob.read(bytes, 0, config.size, 0);
  const named = `the configuration of ${what}`;
  // It may lie in the cache since long ago.
  checkDigest(bytes.subarray(0, bytesRead), config.digest, named);
  const parsed = parseConfig(bytes, named);
  checkPlatform(parsed, what);
  const diffs = parsed.rootfs.diff_ids ?? [];
  if (diffs.length !== layers.length) {
    throw new BangerError(
      "corrupt",
      `${named} is of ${diffs.length} layers, but its manifest has ${layers.length}`,
    );
  }
  return parsed;
}

function checkDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const found = endHash(hashFor(digest).update(bytes), digest);
  if (found === digest) return;
  throw new BangerError(
    "corrupt",
    `${what} is another document: what came is ${digestParts(found).algorithm}:${digestParts(found).hex}`,
    {
      hint: "try again; if it stays so, the registry or something on the way to it is not to be trusted",
    },
  );
}

function tooLarge(what: string, { documentBytes }: Limits): BangerError {
  return new BangerError(
    "corrupt",
    `${what} is larger than ${documentBytes} bytes, as no document of an image is`,
  );
}
