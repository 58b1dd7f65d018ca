/** The last step of content into a root file system: a file system is laid around it, which is then told of its files. */
import type { FileHandle } from "node:fs/promises";
import { ContentTable, type Extent, settle } from "../ext4/ext4.ts";
import type { LayerContent } from "../oci/oci.ts";
import { overlaySparse } from "../sys/sys.ts";
import { keepLayers } from "./kept-layers.ts";
import { blockBytes } from "./root-file.ts";
import type { SortedContent } from "./sort-content.ts";

/** Content that stays where it is from now on. */
export interface PlacedContent {
  /** Of each file. */
  extents(): Iterable<Extent[]>;
  extentsOf(content: LayerContent): Extent[];
  /** Says in the image's directory what other images can have of its layers. */
  record(directory: string): Promise<void>;
}

/** Makes the root file a file system like `layout`, which is fresh. Throws no_space when the content does not fit. */
export async function placeContent(
  { root, tables, visible, reusable }: SortedContent,
  layout: FileHandle,
  sizeBytes: number,
): Promise<PlacedContent> {
  const given = settle(root.area, layout.fd, visible);
  await root.file.truncate(sizeBytes);
  const end = sizeBytes / blockBytes;
  const within = given.filter(({ start }) => start < end);
  root.empty(within.map(({ start, count }) => ({ start, count: Math.min(count, end - start) })));
  await overlaySparse(layout, root.file);
  const tableOf = (layer: number): ContentTable => {
    const table = tables[layer];
    if (table === undefined) throw new Error(`there is no layer ${layer}`);
    return table;
  };
  return {
    extents: function* () {
      for (const { table, number } of visible()) yield table.get(number);
    },
    extentsOf: ({ layer, number }) => tableOf(layer).get(number),
    record: async (directory) => {
      const layers = reusable.map(({ number, diffId, hidden }) => {
        const table = new ContentTable();
        const inRoot = tableOf(number);
        for (let n = 0; n < inRoot.length; n += 1) table.add(hidden.get(n) ?? inRoot.get(n));
        return { number, diffId, table, hidden: new Set(hidden.keys()) };
      });
      await keepLayers(directory, layers);
    },
  };
}
