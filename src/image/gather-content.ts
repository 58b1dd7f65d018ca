/**
 * The first of three steps by which layers' content gets into a root file system: all of it is brought into the file, wherever
 * there is room. Of layers that are fetched it is written there as they are unpacked; of those that another image has it is
 * copied from there meanwhile. sort-content.ts and place-content.ts have the other steps; each takes what the one before it
 * gives.
 */
import { ContentTable } from "../ext4/ext4.ts";
import type { ContentSink } from "../oci/oci.ts";
import type { KeptLayer } from "./kept-layers.ts";
import type { RootFile } from "./root-file.ts";

export interface GatheredLayer {
  /** Where its files' content is in the root file; no pieces for what is not there. */
  table: ContentTable;
  /** The other image's, that it comes from: what that has hidden is still there alone. */
  kept: KeptLayer | undefined;
}

export interface GatheredContent {
  root: RootFile;
  /** The lowest first. */
  layers: readonly GatheredLayer[];
}

export class ContentGathering {
  readonly #layers: GatheredLayer[] = [];
  /** One layer after the other. */
  #copying: Promise<void> = Promise.resolve();

  constructor(readonly root: RootFile) {}

  /** Calls `unpack` with where the content of layer `layer` goes. */
  async unpack(layer: number, unpack: (content: ContentSink) => Promise<void>): Promise<void> {
    const writer = this.root.writer();
    await unpack(writer);
    writer.finish();
    this.root.startSync();
    this.#layers[layer] = { table: writer.table, kept: undefined };
  }

  /** Layer `layer` is one of another image. What that has in its root is copied from now on. */
  take(layer: number, kept: KeptLayer): void {
    const { background } = this.root;
    const copier = this.root.copier();
    const table = new ContentTable();
    for (let number = 0; number < kept.table.length; number += 1)
      table.add(kept.hidden.has(number) ? [] : copier.copy(kept.root, kept.table.get(number)));
    this.#layers[layer] = { table, kept };
    const before = this.#copying;
    this.#copying = background.start(async () => {
      await before;
      await copier.finish(background.signal);
      this.root.startSync();
    });
  }

  /** When each of `count` layers was unpacked or taken: all of their content. */
  async finish(count: number): Promise<GatheredContent> {
    await this.#copying;
    const layers = Array.from({ length: count }, (_, number) => {
      const layer = this.#layers[number];
      if (layer === undefined) throw new Error(`layer ${number} has not been unpacked`);
      return layer;
    });
    return { root: this.root, layers };
  }
}
