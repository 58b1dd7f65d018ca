/** What an image may ask of this host at most. Real images are far below; hostile ones are told which limit they met. */
export interface Limits {
  /** A manifest, an index or a configuration, in bytes; what registries accept too (distribution specification). */
  documentBytes: number;
  /** Indexes within indexes. */
  indexDepth: number;
  layers: number;
  /** All layers together, packed. */
  packedBytes: number;
  /** All layers together, unpacked, with their tar headers. */
  unpackedBytes: number;
  /** Entries of all layers together. Each that stays is kept in memory while layers are merged. */
  entries: number;
  /** A layer that unpacks to more than `ratioFloorBytes` may be at most this many times larger than its packed form. */
  ratio: number;
  ratioFloorBytes: number;
}

const GiB = 1024 ** 3;

export const imageLimits: Limits = {
  documentBytes: 4 * 1024 ** 2,
  indexDepth: 3,
  layers: 512,
  packedBytes: 64 * GiB,
  unpackedBytes: 128 * GiB,
  entries: 500_000,
  ratio: 200,
  ratioFloorBytes: GiB,
};
