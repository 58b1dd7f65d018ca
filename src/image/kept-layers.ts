/**
 * What an imported image keeps of its layers, for others that have some of them too: <image>/layers/ with each one's
 * listing, where in the root file system the content of its files is, and what upper layers have hidden.
 *
 * It is only there to be quicker: what is missing or does not fit together is as good as none, and the layer is fetched.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ContentTable, type Extent } from "../ext4/ext4.ts";
import { listImages, type StoredImage, verifyImage } from "./store.ts";

export const layersName = "layers";
export const hiddenName = "hidden";
const indexName = "index.json";

const Index = z.strictObject({
  /** Raised when the files are to be read in another way. */
  revision: z.literal(1),
  layers: z.array(
    z.strictObject({
      diffId: z.string(),
      /** Names its files. */
      number: z.int().nonnegative(),
      /** SHA-256 of each: nobody waited for the disk when they were written. */
      listing: z.string(),
      contents: z.string(),
    }),
  ),
});
type Index = z.infer<typeof Index>;

/** Where the content of a layer's files is. */
export interface KeptContents {
  table: ContentTable;
  /** Those that are in the file of hidden content, and not in the root file system. */
  hidden: ReadonlySet<number>;
}

/** A layer of an image in the store. */
export interface KeptLayer extends KeptContents {
  root: FileHandle;
  hiddenFile: FileHandle;
}

export function listingPath(directory: string, number: number): string {
  return join(directory, layersName, `${number}.listing`);
}

function contentsPath(directory: string, number: number): string {
  return join(directory, layersName, `${number}.contents`);
}

export class LayerShelf {
  readonly #found = new Map<string, { image: StoredImage; layer: Index["layers"][0] }>();
  readonly #open = new Map<string, Promise<{ root: FileHandle; hiddenFile: FileHandle }>>();

  /** The layers of all images in the store, by their diff_ids. */
  static async of(imagesDir: string): Promise<LayerShelf> {
    const shelf = new LayerShelf();
    for (const image of await listImages(imagesDir)) {
      const index = await readIndex(image.directory);
      if (index === undefined || (await verifyImage(image).catch(() => false)) === false) continue;
      for (const layer of index.layers) shelf.#found.set(layer.diffId, { image, layer });
    }
    return shelf;
  }

  /** Copies a layer's listing to `listing`; undefined when there is none. The files stay open until close(). */
  async take(diffId: string, listing: string): Promise<KeptLayer | undefined> {
    const found = this.#found.get(diffId);
    if (found === undefined) return undefined;
    const { image, layer } = found;
    try {
      await copyFile(listingPath(image.directory, layer.number), listing, constants.COPYFILE_EXCL);
      const contents = await readFile(contentsPath(image.directory, layer.number));
      if (digestOf(contents) === layer.contents && digestOf(await readFile(listing)) === layer.listing)
        return { ...decodeContents(contents), ...(await this.#files(image)) };
    } catch {
      // It was deleted meanwhile, or is damaged.
    }
    await rm(listing, { force: true });
    return undefined;
  }

  async close(): Promise<void> {
    for (const opening of this.#open.values()) {
      const files = await opening.catch(() => undefined);
      await files?.root.close();
      await files?.hiddenFile.close();
    }
  }

  #files(image: StoredImage) {
    const known = this.#open.get(image.id);
    if (known !== undefined) return known;
    const opening = openFiles(image);
    this.#open.set(image.id, opening);
    return opening;
  }
}

async function openFiles(image: StoredImage): Promise<{ root: FileHandle; hiddenFile: FileHandle }> {
  const hiddenFile = await open(join(image.directory, layersName, hiddenName), "r");
  try {
    return { root: await open(image.rootfs, "r"), hiddenFile };
  } catch (error) {
    await hiddenFile.close();
    throw error;
  }
}

async function readIndex(directory: string): Promise<Index | undefined> {
  const text = await readFile(join(directory, layersName, indexName), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return Index.parse(JSON.parse(text));
  } catch {
    // Written by another version, or lost with the power.
    return undefined;
  }
}

/** Writes what is known of layers whose listings are in `directory` already, and says which they are. */
export async function keepLayers(
  directory: string,
  layers: readonly ({ number: number; diffId: string } & KeptContents)[],
): Promise<void> {
  const index: Index = { revision: 1, layers: [] };
  for (const { number, diffId, ...kept } of layers) {
    const contents = encodeContents(kept);
    await writeFile(contentsPath(directory, number), contents, { mode: 0o600 });
    const listing = digestOf(await readFile(listingPath(directory, number)));
    index.layers.push({ diffId, number, listing, contents: digestOf(contents) });
  }
  await writeFile(join(directory, layersName, indexName), JSON.stringify(index), { mode: 0o600 });
}

/** Words of 32 bits, little endian: for each file the number of its pieces, and these. */
const hiddenBit = 2 ** 31;

function encodeContents({ table, hidden }: KeptContents): Buffer {
  let pieces = 0;
  for (let number = 0; number < table.length; number += 1) pieces += table.get(number).length;
  const words = new Uint32Array(table.length + 3 * pieces);
  let at = 0;
  for (let number = 0; number < table.length; number += 1) {
    const extents = table.get(number);
    words[at] = extents.length + (hidden.has(number) ? hiddenBit : 0);
    at += 1;
    for (const { logical, physical, blocks } of extents) {
      words.set([logical, physical, blocks], at);
      at += 3;
    }
  }
  return Buffer.from(words.buffer);
}

function decodeContents(bytes: Buffer): KeptContents {
  const words = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const table = new ContentTable();
  const hidden = new Set<number>();
  for (let at = 0; at < words.length; ) {
    const head = words[at] ?? 0;
    const pieces = head % hiddenBit;
    const extents: Extent[] = [];
    for (let piece = at + 1; piece < at + 1 + 3 * pieces; piece += 3)
      extents.push({
        logical: words[piece] ?? 0,
        physical: words[piece + 1] ?? 0,
        blocks: words[piece + 2] ?? 0,
      });
    const number = table.add(extents);
    if (head >= hiddenBit) hidden.add(number);
    at += 1 + 3 * pieces;
  }
  return { table, hidden };
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
