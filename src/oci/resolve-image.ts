/** What an image is, before any of its layers is fetched: its manifest found, its configuration read. */
import { BangerError } from "../base/base.ts";
import { type Digest, fetchBlob, type Patience } from "../download/download.ts";
import type { Descriptor, ImageConfig } from "./documents.ts";
import type { Limits } from "./limits.ts";
import { readConfig, resolveManifest } from "./resolve.ts";
import type { ImageSource } from "./source.ts";

/** Where an image is fetched from, and how. */
export interface Fetching {
  source: ImageSource;
  /** banger's cache directory. */
  cache: string;
  patience: Patience;
  signal: AbortSignal;
}

export interface ResolveRequest extends Fetching {
  /** When the reference names a digest: the manifest's or the index's. */
  pinned: Digest | undefined;
  limits: Limits;
}

export interface ResolvedImage {
  reference: string;
  /** Of the manifest for linux/amd64. */
  digest: Digest;
  config: ImageConfig;
  /** The lowest first. */
  layers: readonly LayerName[];
}

export interface LayerName {
  descriptor: Descriptor;
  /** Of the layer unpacked. */
  diffId: Digest;
}

/** Throws as fetchBlob and resolveManifest. */
export async function resolveImage({ pinned, limits, ...fetching }: ResolveRequest): Promise<ResolvedImage> {
  const { source, cache, patience, signal } = fetching;
  const { reference } = source;
  const { manifest, digest } = await resolveManifest(source, pinned, limits, signal);
  const file = await fetchBlob(manifest.config, { source, cache, patience, signal, onBytes: () => {} });
  try {
    const config = await readConfig(file, manifest, reference);
    const layers = manifest.layers.map((descriptor, index): LayerName => {
      const diffId = config.rootfs.diff_ids?.[index];
      if (diffId === undefined)
        throw new BangerError("internal", "a layer without a diff_id was let through");
      return { descriptor, diffId };
    });
    return { reference, digest, config, layers };
  } finally {
    await file.close();
  }
}
