/**
 * The second step of content into a root file system, when layers have been merged: what upper layers have hidden leaves the
 * root file. Some of it is kept beside it, for other images that have the same layers, but not those above them.
 */
import { open } from "node:fs/promises";
import { type BlockRun, ContentArea, type ContentTable, type Extent } from "../ext4/ext4.ts";
import type { LayerContent, LayerName } from "../oci/oci.ts";
import { ContentCopier } from "./content-copier.ts";
import type { GatheredContent, GatheredLayer } from "./gather-content.ts";
import { blockBytes, type RootFile } from "./root-file.ts";

const MiB = 1024 ** 2;
/** What is hidden is kept up to this, or an eighth of what is not. */
const hiddenBytes = 64 * MiB;
const hiddenPart = 1 / 8;

/** Content of one file of a layer. */
export interface LayerFile {
  table: ContentTable;
  number: number;
}

export interface SortedContent {
  root: RootFile;
  /** Of all layers, the lowest first: where in the root file the content of their files is that is not hidden. */
  tables: readonly ContentTable[];
  /** All files that are not hidden. */
  visible(): Iterable<LayerFile>;
  /** The layers that other images can have from here. */
  reusable: readonly ReusableLayer[];
}

export interface ReusableLayer {
  /** Which of the layers. */
  number: number;
  diffId: string;
  /** Where in the file of hidden content that of its hidden files is, by their numbers. */
  hidden: ReadonlyMap<number, readonly Extent[]>;
}

interface Layer extends GatheredLayer {
  /** 1 for each of its files that is in the image, 0 for those that are hidden. */
  visible: Uint8Array;
}

export interface Sorting {
  /** Content of the files that are in the image. */
  visible: Iterable<LayerContent>;
  names: readonly LayerName[];
  /** Where hidden content is kept; there is nothing yet. */
  hiddenPath: string;
}

export async function sortContent(
  { root, layers: gathered }: GatheredContent,
  { visible, names, hiddenPath }: Sorting,
): Promise<SortedContent> {
  const layers = gathered.map((layer) => ({ ...layer, visible: new Uint8Array(layer.table.length) }));
  for (const { layer, number } of visible) {
    const found = layers[layer];
    if (found === undefined) throw new Error(`there is no layer ${layer}`);
    found.visible[number] = 1;
  }
  await bringBack(layers, root);
  const reusable = await keepHidden(layers, root, names, hiddenPath);
  for (const layer of layers) dropHidden(layer, root);
  root.startSync();
  return { root, tables: layers.map(({ table }) => table), visible: () => visibleOf(layers), reusable };
}

/** What the other image has hidden, and this one has not. */
async function bringBack(layers: readonly Layer[], root: RootFile): Promise<void> {
  const copier = root.copier();
  for (const { kept, table, visible } of layers) {
    for (const number of kept?.hidden ?? []) {
      if (kept === undefined || visible[number] !== 1) continue;
      table.set(number, copier.copy(kept.hiddenFile, kept.table.get(number)));
    }
  }
  await copier.finish(root.background.signal);
}

/** Layers of which the least is hidden come first: those that there is no room for cannot be had from here. */
async function keepHidden(
  layers: readonly Layer[],
  { file: rootFile, background }: RootFile,
  names: readonly LayerName[],
  hiddenPath: string,
): Promise<ReusableLayer[]> {
  const file = await open(hiddenPath, "wx+", 0o600);
  try {
    const copier = new ContentCopier(file, new ContentArea(file.fd).writer());
    const copyHidden = (layer: Layer) => {
      const hidden = new Map<number, readonly Extent[]>();
      for (const number of hiddenOf(layer)) {
        const { table, kept } = layer;
        const copy = kept?.hidden.has(number)
          ? copier.copy(kept.hiddenFile, kept.table.get(number))
          : copier.copy(rootFile, table.get(number));
        if (copy.length > 0) hidden.set(number, copy);
      }
      return hidden;
    };
    const sized = layers.map((layer, number) => ({ layer, number, blocks: hiddenBlocks(layer) }));
    sized.sort((one, other) => one.blocks - other.blocks);
    let room = Math.max(hiddenBytes, visibleBlocks(layers) * blockBytes * hiddenPart) / blockBytes;
    const reusable: ReusableLayer[] = [];
    for (const { layer, number, blocks } of sized) {
      room -= blocks;
      const diffId = names[number]?.diffId;
      if (room < 0 || diffId === undefined) break;
      reusable.push({ number, diffId, hidden: copyHidden(layer) });
    }
    await copier.finish(background.signal);
    background.start(() => file.sync().finally(() => file.close()));
    return reusable;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function dropHidden(layer: Layer, root: RootFile): void {
  const runs: BlockRun[] = [];
  for (const number of hiddenOf(layer)) {
    for (const { physical, blocks } of layer.table.get(number)) runs.push({ start: physical, count: blocks });
    layer.table.set(number, []);
  }
  root.empty(runs);
}

function* visibleOf(layers: readonly Layer[]): Generator<LayerFile> {
  for (const { table, visible } of layers)
    for (let number = 0; number < visible.length; number += 1)
      if (visible[number] === 1) yield { table, number };
}

function* hiddenOf({ visible }: Layer): Generator<number> {
  for (let number = 0; number < visible.length; number += 1) if (visible[number] !== 1) yield number;
}

function visibleBlocks(layers: readonly Layer[]): number {
  let blocks = 0;
  for (const { table, number } of visibleOf(layers)) blocks += table.blocksOf(number);
  return blocks;
}

/** Wherever they are. */
function hiddenBlocks(layer: Layer): number {
  const { table, kept } = layer;
  let blocks = 0;
  for (const number of hiddenOf(layer))
    blocks += (kept?.hidden.has(number) ? kept.table : table).blocksOf(number);
  return blocks;
}
