/**
 * The content of layers' files on its way into a root file system: of layers that are fetched it is written there as they
 * are unpacked; of those that another image has it is copied from there, once it is known what is left of it.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type BlockRun, ContentArea, ContentTable, type Extent, settle } from "../ext4/ext4.ts";
import type { ContentSink, LayerContent, LayerName } from "../oci/oci.ts";
import { emptyStretch, overlaySparse } from "../sys/sys.ts";
import { ContentCopier } from "./content-copier.ts";
import { hiddenName, type KeptLayer, keepLayers, layersName } from "./kept-layers.ts";

const blockBytes = 4096;
const MiB = 1024 ** 2;
/** What upper layers have hidden is kept for other images up to this, or an eighth of what they have not. */
const hiddenBytes = 64 * MiB;
const hiddenPart = 1 / 8;

interface Layer {
  /** Where its content is in the root file system; empty pieces for what is not there. */
  table: ContentTable;
  /** The image that it comes from. */
  kept: KeptLayer | undefined;
  /** Files that are left, by their numbers; until it is known, none. */
  left: Uint8Array;
}

export class RootContent {
  readonly #area: ContentArea;
  readonly #layers: Layer[] = [];
  #syncing: Promise<void> | undefined;
  #copying: Promise<void> | undefined;
  readonly #working = new Set<Promise<void>>();
  #ended = false;
  /** Told once, to whoever syncs first. */
  #failed: unknown;

  /** `root` is empty, and open for reading and writing. */
  constructor(
    readonly root: FileHandle,
    /** Of the image that is made. */
    readonly directory: string,
    readonly signal: AbortSignal,
  ) {
    this.#area = new ContentArea(root.fd);
  }

  /** Calls `unpack` with where the content of layer `layer` goes. */
  async unpack(layer: number, unpack: (content: ContentSink) => Promise<void>): Promise<void> {
    const writer = this.#area.writer();
    await unpack(writer);
    writer.finish();
    this.#startSync();
    this.#layers[layer] = { table: writer.table, kept: undefined, left: new Uint8Array(0) };
  }

  /** Layer `layer` is one of another image. What that has in its root is copied while other layers are fetched. */
  take(layer: number, kept: KeptLayer): void {
    const copier = new ContentCopier(this.root, this.#area.writer());
    const table = new ContentTable();
    for (let number = 0; number < kept.table.length; number += 1)
      table.add(kept.hidden.has(number) ? [] : copier.copy(kept.root, kept.table.get(number)));
    this.#layers[layer] = { table, kept, left: new Uint8Array(0) };
    const before = this.#copying;
    const copy = async () => {
      await before;
      await copier.finish(() => this.#check());
      this.#startSync();
    };
    this.#copying = this.#besides(copy());
  }

  /** What is left is made to be in the root; what is not goes, and is kept beside it for other images. */
  async sort(contents: Iterable<LayerContent>, names: readonly LayerName[]): Promise<void> {
    for (const layer of this.#layers) layer.left = new Uint8Array(layer.table.length);
    for (const { layer, number } of contents) this.#layer(layer).left[number] = 1;
    await this.#copying;
    if (this.#failed !== undefined) throw this.#failed;
    await this.#bringBack();
    await this.#keepHidden(names);
    for (const layer of this.#layers) this.#dropHidden(layer);
    this.#startSync();
  }

  /** What is there goes to the disk while more is made: it has to before the image is one. */
  #startSync(): void {
    this.#syncing ??= this.#besides(this.root.datasync()).finally(() => {
      this.#syncing = undefined;
    });
  }

  /** What goes on beside the rest; its failure is told by keep(). */
  #besides(work: Promise<void>): Promise<void> {
    const done = work.catch((error: unknown) => {
      this.#failed = error;
    });
    this.#working.add(done);
    return done.finally(() => this.#working.delete(done));
  }

  /** Resolves when nothing goes on any more, and the root file may be closed. */
  async settled(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#working);
  }

  /** Makes the root a file system like `layout`, which is fresh; it is still to be told of its files. */
  async settle(layout: FileHandle, sizeBytes: number): Promise<void> {
    const given = settle(this.#area, layout.fd, () => this.#left());
    await this.root.truncate(sizeBytes);
    const end = sizeBytes / blockBytes;
    const within = given.filter(({ start }) => start < end);
    this.#empty(within.map(({ start, count }) => ({ start, count: Math.min(count, end - start) })));
    await overlaySparse(layout, this.root);
  }

  /** Of all that is left. */
  *extents(): Generator<Extent[]> {
    for (const { table, number } of this.#left()) yield table.get(number);
  }

  extentsOf({ layer, number }: LayerContent): Extent[] {
    return this.#layer(layer).table.get(number);
  }

  /** What the other image has hidden, and this one has not. */
  async #bringBack(): Promise<void> {
    const copier = new ContentCopier(this.root, this.#area.writer());
    for (const { kept, table, left } of this.#layers) {
      for (const number of kept?.hidden ?? []) {
        if (kept === undefined || left[number] !== 1) continue;
        table.set(number, copier.copy(kept.hiddenFile, kept.table.get(number)));
      }
    }
    await copier.finish(() => this.#check());
  }

  /** Layers of which the least is hidden come first: of those that there is no room for, nothing is kept. */
  async #keepHidden(names: readonly LayerName[]): Promise<void> {
    const file = await open(join(this.directory, layersName, hiddenName), "wx+", 0o600);
    try {
      const copier = new ContentCopier(file, new ContentArea(file.fd).writer());
      const sized = this.#layers.map((layer, number) => ({ layer, number, blocks: hiddenBlocks(layer) }));
      sized.sort((one, other) => one.blocks - other.blocks);
      let room = Math.max(hiddenBytes, this.#leftBlocks() * blockBytes * hiddenPart) / blockBytes;
      const done = [];
      for (const { layer, number, blocks } of sized) {
        room -= blocks;
        const diffId = names[number]?.diffId;
        if (room < 0 || diffId === undefined) break;
        done.push({ number, diffId, hidden: this.#copyHidden(layer, copier) });
      }
      await copier.finish(() => this.#check());
      this.#kept = done;
      this.#besides(file.sync().finally(() => file.close()));
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  #kept: { number: number; diffId: string; hidden: Map<number, readonly Extent[]> }[] = [];

  #copyHidden({ table, kept, left }: Layer, copier: ContentCopier): Map<number, readonly Extent[]> {
    const hidden = new Map<number, readonly Extent[]>();
    for (let number = 0; number < left.length; number += 1) {
      if (left[number] === 1) continue;
      const copy = kept?.hidden.has(number)
        ? copier.copy(kept.hiddenFile, kept.table.get(number))
        : copier.copy(this.root, table.get(number));
      if (copy.length > 0) hidden.set(number, copy);
    }
    return hidden;
  }

  #dropHidden({ table, left }: Layer): void {
    const runs: BlockRun[] = [];
    for (let number = 0; number < left.length; number += 1) {
      if (left[number] === 1) continue;
      for (const { physical, blocks } of table.get(number)) runs.push({ start: physical, count: blocks });
      table.set(number, []);
    }
    this.#empty(runs);
  }

  /** Neighbours at once. */
  #empty(runs: BlockRun[]): void {
    runs.sort((one, other) => one.start - other.start);
    let open: BlockRun = { start: 0, count: 0 };
    for (const run of [...runs, { start: -1, count: 0 }]) {
      if (run.start === open.start + open.count) {
        open.count += run.count;
        continue;
      }
      if (open.count > 0) emptyStretch(this.root.fd, open.start * blockBytes, open.count * blockBytes);
      open = { ...run };
    }
  }

  /** Says beside the root what of its layers is kept. */
  async keep(): Promise<void> {
    await this.settled();
    if (this.#failed !== undefined) throw this.#failed;
    const layers = this.#kept.map(({ number, diffId, hidden }) => {
      const table = new ContentTable();
      const inRoot = this.#layer(number).table;
      for (let n = 0; n < inRoot.length; n += 1) table.add(hidden.get(n) ?? inRoot.get(n));
      return { number, diffId, table, hidden: new Set(hidden.keys()) };
    });
    await keepLayers(this.directory, layers);
  }

  *#left(): Generator<{ table: ContentTable; number: number }> {
    for (const { table, left } of this.#layers)
      for (let number = 0; number < left.length; number += 1) if (left[number] === 1) yield { table, number };
  }

  #leftBlocks(): number {
    let blocks = 0;
    for (const { table, number } of this.#left()) blocks += table.blocksOf(number);
    return blocks;
  }

  #layer(number: number): Layer {
    const layer = this.#layers[number];
    if (layer === undefined) throw new Error(`layer ${number} has not been unpacked`);
    return layer;
  }

  #check(): void {
    this.signal.throwIfAborted();
    if (this.#ended) throw new Error("the image is not made any more");
  }
}

function hiddenBlocks({ table, kept, left }: Layer): number {
  let blocks = 0;
  for (let number = 0; number < left.length; number += 1)
    if (left[number] !== 1) blocks += (kept?.hidden.has(number) ? kept.table : table).blocksOf(number);
  return blocks;
}
