/** Layers flattened without a registry around them, and the entries that they are described with. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Digest } from "../../download/download.ts";
import { imageLimits, type Limits } from "../oci.ts";
import { blob, digestOf } from "./image-builder.ts";
import { type Flattened, Flattening } from "./pull.ts";
import { type TarSpec, tar } from "./tar-writer.ts";

export interface Given {
  bytes: Uint8Array;
  /** Of the layer unpacked. */
  diffId: string;
}

export async function flattened(
  layers: readonly Given[],
  limits: Partial<Limits> = {},
  damaged: string[] = [],
): Promise<Flattened> {
  const dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
  const flattening = new Flattening(
    { ...imageLimits, ...limits },
    new AbortController().signal,
    async ({ descriptor }) => void damaged.push(descriptor.digest),
  );
  try {
    for (const [index, { bytes, diffId }] of layers.entries()) {
      const path = join(dir, String(index));
      writeFileSync(path, bytes);
      const { mediaType, digest, size } = blob("application/vnd.oci.image.layer.v1.tar", bytes);
      const descriptor = { mediaType, digest: Digest.parse(digest), size };
      const file = await open(path, "r");
      try {
        await flattening.add({ blob: file, descriptor, diffId: Digest.parse(diffId) }, index);
      } finally {
        await file.close();
      }
    }
    return await flattening.finish();
  } finally {
    flattening.close();
    rmSync(dir, { recursive: true });
  }
}

export const plain = (bytes: Buffer): Given => ({ bytes, diffId: digestOf(bytes) });
export const of = (...layers: TarSpec[][]): Promise<Flattened> =>
  flattened(layers.map((layer) => plain(tar(layer))));
export const directory = (path: string, more: Partial<TarSpec> = {}): TarSpec => ({
  path,
  type: "5",
  ...more,
});
export const file = (
  path: string,
  content: string | Uint8Array = path,
  more: Partial<TarSpec> = {},
): TarSpec => ({ path, content, ...more });
export const symlink = (path: string, link: string): TarSpec => ({ path, type: "2", link, mode: 0o777 });
export const hardlink = (path: string, link: string): TarSpec => ({ path, type: "1", link });
