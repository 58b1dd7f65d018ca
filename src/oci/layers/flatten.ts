/**
 * From layers to one root file system, in two readings. The first merges names, and checks every layer against its
 * diff_id: nothing has been written then, and how large the result will be is known. The second writes what is left, each
 * file once. Content is never held: a layer is unpacked again, which costs less than writing twice.
 */
import { BangerError, toBangerError, wrap } from "../../base/base.ts";
import { type TarListener, TarReader } from "../../tar/tar.ts";
import { digestOfFile, shortDigest } from "../digest.ts";
import type { FetchedLayer } from "../fetch-image.ts";
import type { Limits } from "../limits.ts";
import { applyEntry } from "./apply.ts";
import { planRoot, type RootPlan, type RootTotals } from "./plan.ts";
import type { FileSink, RootSink } from "./sink.ts";
import { type File, pathOf, Tree } from "./tree.ts";
import { type Reading, unpackLayer } from "./unpack.ts";

export interface FlattenRequest {
  /** The lowest first. */
  layers: readonly FetchedLayer[];
  limits: Limits;
  signal: AbortSignal;
  /** Of both readings together, in bytes of packed layers. */
  progress(done: number, total: number): void;
  /** A layer of the cache is not what its name says any more: it was damaged on the disk. */
  onDamaged(layer: FetchedLayer): Promise<void>;
}

export interface MergedRoot {
  totals: RootTotals;
  /** The second reading, once. Throws as the first, and what the sink throws. */
  write(sink: RootSink): Promise<void>;
}

/** The first reading. Throws corrupt, precondition for what is over a limit, cancelled. */
export async function mergeLayers(request: FlattenRequest): Promise<MergedRoot> {
  const { layers, limits } = request;
  const progress = packedProgress(request);
  const reading = { limits, unpackedBytes: 0, signal: request.signal, onPacked: progress.read };
  const tree = new Tree(limits.entries);
  let entries = 0;
  for (const [index, layer] of layers.entries()) {
    tree.layer = index;
    let number = 0;
    await readLayer(layer, reading, request, {
      entry: (entry) => {
        entries += 1;
        if (entries > limits.entries) {
          throw new BangerError(
            "precondition",
            `the image's layers have more than ${limits.entries} entries`,
          );
        }
        applyEntry(tree, entry, number);
        number += 1;
      },
      data: () => {},
      hole: () => {},
      end: () => {},
    });
  }
  const plan = planRoot(tree.root, layers.length);
  return { totals: plan.totals, write: (sink) => writeRoot(plan, request, progress, sink) };
}

async function writeRoot(
  plan: RootPlan,
  request: FlattenRequest,
  progress: ReturnType<typeof packedProgress>,
  sink: RootSink,
): Promise<void> {
  for (const directory of plan.directories) {
    const path = directory.parent === directory ? "" : pathOf(directory);
    sink.addDirectory(bytes(path), directory.metadata);
  }
  const { limits, signal } = request;
  const reading = { limits, unpackedBytes: 0, signal, onPacked: progress.read };
  for (const [index, layer] of request.layers.entries()) {
    const files = plan.files[index] ?? [];
    // Of a layer that is hidden altogether, nothing is read again.
    if (files.length === 0) progress.read(layer.descriptor.size);
    else await readLayer(layer, reading, request, fileWriter(files, sink));
  }
  for (const { place, metadata, target } of plan.symlinks)
    if (place !== undefined) sink.addSymlink(bytes(pathOf(place)), bytes(target), metadata);
  for (const { place, target } of plan.hardLinks)
    if (target.place !== undefined) sink.addHardLink(bytes(pathOf(place)), bytes(pathOf(target.place)));
}

/** Passes on what is left of a layer; `files` are in the order of its entries. */
function fileWriter(files: readonly File[], sink: RootSink): TarListener {
  let number = -1;
  let next = 0;
  let into: FileSink | undefined;
  return {
    entry: () => {
      number += 1;
      const file = files[next];
      if (file?.entry !== number || file.place === undefined) return;
      next += 1;
      into = sink.addFile(bytes(pathOf(file.place)), file.metadata, file.sizeBytes);
    },
    data: (chunk) => into?.write(chunk),
    hole: (size) => into?.hole(size),
    end: () => {
      into?.close();
      into = undefined;
    },
  };
}

/** A layer's entries. When they make no sense, it is looked whether that is the image's doing or the disk's. */
async function readLayer(
  layer: FetchedLayer,
  reading: Reading,
  { onDamaged }: FlattenRequest,
  listener: TarListener,
): Promise<void> {
  const { digest } = layer.descriptor;
  const named = `layer ${shortDigest(digest)}`;
  const reader = new TarReader(listener);
  try {
    for await (const chunk of unpackLayer(layer, reading)) reader.push(chunk);
    reader.finish();
  } catch (error) {
    const { code, message } = toBangerError(error);
    if (code === "precondition") throw wrap(error, named);
    if (code !== "corrupt") throw error;
    if ((await digestOfFile(layer.blob, digest)) === digest) throw wrap(error, named);
    await onDamaged(layer);
    throw new BangerError("corrupt", `${named} was damaged in the cache: ${message}`, {
      hint: "it was removed; the next pull fetches it again",
      cause: error,
    });
  }
}

function bytes(latin1: string): Buffer {
  return Buffer.from(latin1, "latin1");
}

function packedProgress({ layers, progress }: FlattenRequest) {
  const total = 2 * layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  let done = 0;
  return {
    read: (bytes: number) => {
      done += bytes;
      progress(done, total);
    },
  };
}
