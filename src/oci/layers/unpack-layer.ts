/**
 * A layer, taken apart in one reading: what it says of its files into a listing, what is in them to whoever keeps content.
 * Names mean nothing yet, so layers can come in any order, and beside each other.
 */
import { BangerError, toBangerError, wrap } from "../../base/base.ts";
import { digestOfFile, shortDigest } from "../../download/download.ts";
import { type FileSink, TarReader } from "../../tar/tar.ts";
import type { FetchedLayer } from "../fetch-layers.ts";
import { ListingWriter } from "./listing.ts";
import type { ContentSink } from "./sink.ts";
import { type Reading, unpacked } from "./unpack.ts";

export interface Unpacking {
  /** Of all of the image's layers together. */
  reading: Reading;
  content: ContentSink;
  signal: AbortSignal;
  /** Where the listing goes; there is nothing yet. */
  listing: string;
  /** A layer of the cache is not what its name says any more: it was damaged on the disk. */
  onDamaged(layer: FetchedLayer): Promise<void>;
}

/**
 * Throws corrupt for what is not the layer that the image means, which is known at its end: who has taken its content has
 * to throw it away then. Throws precondition for what is over a limit; cancelled.
 */
export async function unpackLayer(layer: FetchedLayer, unpacking: Unpacking): Promise<void> {
  const { digest } = layer.descriptor;
  const named = `layer ${shortDigest(digest)}`;
  const listing = new ListingWriter(unpacking.listing);
  try {
    await readInto(layer, unpacking, listing);
  } catch (error) {
    const { code, message } = toBangerError(error);
    if (code === "precondition") throw wrap(error, named);
    if (code !== "corrupt") throw error;
    // It makes no sense: is that the image's doing, or the disk's?
    if ((await digestOfFile(layer.blob, digest)) === digest) throw wrap(error, named);
    await unpacking.onDamaged(layer);
    throw new BangerError("corrupt", `${named} was damaged in the cache: ${message}`, {
      hint: "it was removed; the next pull fetches it again",
      cause: error,
    });
  } finally {
    listing.close();
  }
}

async function readInto(
  layer: FetchedLayer,
  { reading, content, signal }: Unpacking,
  listing: ListingWriter,
): Promise<void> {
  let into: FileSink | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      reading.entries += 1;
      const most = reading.limits.entries;
      if (reading.entries > most)
        throw new BangerError("precondition", `the image's layers have more than ${most} entries`);
      listing.add(entry);
      if (entry.type === "file" && entry.sizeBytes > 0) into = content.begin(entry.sizeBytes);
    },
    data: (chunk) => into?.write(chunk),
    hole: (size) => into?.hole(size),
    end: () => {
      into?.close();
      into = undefined;
    },
  });
  for await (const chunk of unpacked(layer, reading, signal)) reader.push(chunk);
  // Its diff_id has told that it is whole.
  reader.finishWhole();
  listing.finish();
}
