/** Images made by tests: layers as tars, into a layout on the disk or for a server in the test. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { tar } from "./tar-writer.ts";

export type Packing = "plain" | "gzip" | "zstd";

export interface Blob {
  mediaType: string;
  digest: string;
  size: number;
  bytes: Buffer;
}

export interface BuiltImage {
  /** All that the manifest names, and itself, by digest. */
  blobs: Map<string, Buffer>;
  manifest: Blob;
  layers: Blob[];
}

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function blob(mediaType: string, bytes: Uint8Array): Blob {
  return { mediaType, digest: digestOf(bytes), size: bytes.length, bytes: Buffer.from(bytes) };
}

export function descriptor({ mediaType, digest, size }: Blob) {
  return { mediaType, digest, size };
}

function packed(tar: Buffer, packing: Packing): Blob {
  const type = "application/vnd.oci.image.layer.v1.tar";
  if (packing === "gzip") return blob(`${type}+gzip`, gzipSync(tar));
  if (packing === "zstd") return blob(`${type}+zstd`, Bun.zstdCompressSync(tar));
  return blob(type, tar);
}

/** The lowest layer first. `change` makes of the honest configuration or manifest what the test wants. */
export function buildImage(
  layers: readonly Buffer[],
  packing: Packing = "gzip",
  change: { config?: object; manifest?: object; layers?: Blob[] } = {},
): BuiltImage {
  const made = change.layers ?? layers.map((tar) => packed(tar, packing));
  const config = blob(
    "application/vnd.oci.image.config.v1+json",
    json({
      architecture: "amd64",
      os: "linux",
      config: { Env: ["A=b"], Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
      ...change.config,
    }),
  );
  const manifest = blob(
    manifestType,
    json({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor(config),
      layers: made.map(descriptor),
      ...change.manifest,
    }),
  );
  const blobs = new Map([config, manifest, ...made].map(({ digest, bytes }) => [digest, bytes]));
  return { blobs, manifest, layers: made };
}

export function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** As `docker save` writes an image of one layer, for `docker load`. `config` says how it is run. */
export function dockerArchive(tag: string, layer: Buffer, config: object): Buffer {
  const described = json({
    architecture: "amd64",
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
  });
  const name = `${digestOf(described).slice(7)}.json`;
  return tar([
    { path: "layer.tar", content: layer },
    { path: name, content: described },
    { path: "manifest.json", content: json([{ Config: name, RepoTags: [tag], Layers: ["layer.tar"] }]) },
  ]);
}

/** As an image layout, under the tag `t`. */
export function writeLayout(directory: string, { blobs, manifest }: BuiltImage): void {
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  for (const [digest, bytes] of blobs)
    writeFileSync(join(directory, "blobs", digest.replace(":", "/")), bytes);
  writeFileSync(join(directory, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  const named = { ...descriptor(manifest), annotations: { "org.opencontainers.image.ref.name": "t" } };
  writeFileSync(join(directory, "index.json"), json({ schemaVersion: 2, manifests: [named] }));
}
