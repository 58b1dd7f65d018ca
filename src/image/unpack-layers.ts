/** The layers of an image, fetched and unpacked beside each other, but for those that another image has. */
import { forgetBlob } from "../download/download.ts";
import {
  type FetchedLayer,
  fetchLayers,
  type ImageSource,
  imageLimits,
  type LayerName,
  type NumberedLayer,
  type Reading,
  unpackLayer,
} from "../oci/oci.ts";
import type { ContentGathering } from "./gather-content.ts";
import type { ImageImport } from "./import-request.ts";
import { type KeptLayer, type LayerShelf, listingPath } from "./kept-layers.ts";

export interface Making {
  source: ImageSource;
  /** Layers that other images have. */
  shelf: LayerShelf;
  /** The directory that becomes the image. */
  staging: string;
}

/** A layer's blob goes as soon as what is in it is in the root: it would double what the image takes. Throws as the oci room. */
export async function unpackLayers(
  layers: readonly LayerName[],
  request: ImageImport,
  making: Making,
  content: ContentGathering,
): Promise<void> {
  const { cache, signal } = request;
  const { source, staging } = making;
  const absent = await takeFromOthers(layers, request, making, content);
  const amount = new Amount(
    request,
    absent.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
  );
  const reading: Reading = {
    limits: imageLimits,
    unpackedBytes: 0,
    entries: 0,
    onPacked: (bytes) => amount.unpack(bytes),
    needRoom: (bytes) => request.needSpace("store", bytes),
  };
  const onDamaged = ({ descriptor }: FetchedLayer) => forgetBlob(cache, descriptor.digest);
  await fetchLayers({
    source,
    cache,
    patience: request.registry.patience,
    signal,
    layers: absent,
    needSpace: (bytes) => request.needSpace("cache", bytes),
    onProgress: (done, total) => amount.fetch(done, total),
    onLayer: async (layer, number, both) => {
      const unpacking = { reading, listing: listingPath(staging, number), onDamaged, signal: both };
      await content.unpack(number, (sink) => unpackLayer(layer, { ...unpacking, content: sink }));
      await forgetBlob(cache, layer.descriptor.digest);
    },
  });
}

/** Starts the copying of layers that other images have; those that none has are left to be fetched. */
async function takeFromOthers(
  layers: readonly LayerName[],
  { needSpace }: ImageImport,
  { shelf, staging }: Making,
  content: ContentGathering,
): Promise<NumberedLayer[]> {
  const found: (KeptLayer | undefined)[] = [];
  for (const [number, { diffId }] of layers.entries())
    found.push(await shelf.take(diffId, listingPath(staging, number)));
  const blocks = found.reduce((sum, kept) => sum + (kept?.table.totalBlocks ?? 0), 0);
  await needSpace("store", blocks * 4096);
  for (const [number, kept] of found.entries()) if (kept !== undefined) content.take(number, kept);
  return layers
    .map((layer, number) => ({ ...layer, number }))
    .filter(({ number }) => found[number] === undefined);
}

/** One stage after the other is told of: what is unpacked while layers still come is where the second one begins. */
class Amount {
  #unpacked = 0;
  #fetched = 0;
  #toFetch = 0;

  constructor(
    readonly request: Pick<ImageImport, "progress">,
    /** Packed bytes of all layers that are fetched. */
    readonly toUnpack: number,
  ) {}

  fetch(done: number, total: number): void {
    this.#fetched = done;
    this.#toFetch = total;
    this.#tell();
  }

  unpack(bytes: number): void {
    this.#unpacked += bytes;
    this.#tell();
  }

  #tell(): void {
    if (this.#fetched < this.#toFetch) this.request.progress("layers", this.#fetched, this.#toFetch);
    else this.request.progress("root", this.#unpacked, this.toUnpack);
  }
}
