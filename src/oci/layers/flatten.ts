/**
 * From layers to one root file system, in two readings. The first merges names, and checks every layer against its
 * diff_id: nothing has been written then, and how large the result will be is known. The second writes what is left, each
 * file once. Content is never held: a layer is unpacked again, which costs less than writing twice.
 */
import { BangerError, toBangerError, wrap } from "../../base/base.ts";
import { digestOfFile, shortDigest } from "../../download/download.ts";
import { type TarListener, TarReader } from "../../tar/tar.ts";
import type { FetchedLayer } from "../fetch-image.ts";
import type { Limits } from "../limits.ts";
import { applyEntry, metadataOf } from "./apply.ts";
import { type Leaf, planRoot, type RootPlan, type RootTotals } from "./plan.ts";
import type { FileSink, RootSink } from "./sink.ts";
import { pathOf, Tree } from "./tree.ts";
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

const manyNodes = 50_000;

/** The first reading. Throws corrupt, precondition for what is over a limit, cancelled. */
export async function mergeLayers(request: FlattenRequest): Promise<MergedRoot> {
  const { layers, limits } = request;
  const progress = packedProgress(request);
  const reading = { limits, unpackedBytes: 0, signal: request.signal, onPacked: progress.read };
  const tree = new Tree(limits.entries);
  let entries = 0;
  for (const [index, layer] of layers.entries()) {
    if (index > 0) tree.nextLayer();
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
  // What reading has left behind is more than what is kept, and the heap would go on growing from there: of an image of
  // 404,000 files the import takes 415 MiB instead of 527.
  if (tree.made > manyNodes) Bun.gc(true);
  return { totals: plan.totals, write: (sink) => writeRoot(plan, request, progress, sink) };
}

async function writeRoot(
  plan: RootPlan,
  request: FlattenRequest,
  progress: ReturnType<typeof packedProgress>,
  sink: RootSink,
): Promise<void> {
  for (const directory of plan.directories) {
    const path = directory.parent === directory ? "" : pathOf(directory.parent, directory.name);
    sink.addDirectory(bytes(path), directory.metadata);
  }
  const { limits, signal } = request;
  const reading = { limits, unpackedBytes: 0, signal, onPacked: progress.read };
  for (const [index, layer] of request.layers.entries()) {
    const leaves = plan.leaves[index] ?? [];
    // Of a layer that is hidden altogether, nothing is read again.
    if (leaves.length === 0) progress.read(layer.descriptor.size);
    else await readLayer(layer, reading, request, leafWriter(leaves, sink));
  }
  for (const { parent, name, target } of plan.hardLinks) {
    if (target.parent === undefined) continue;
    sink.addHardLink(bytes(pathOf(parent, name)), bytes(pathOf(target.parent, target.name)));
  }
}

/** Passes on what is left of a layer, and lets go of it: what the sink knows of it grows meanwhile. */
function leafWriter(leaves: Leaf[], sink: RootSink): TarListener {
  let number = -1;
  let into: FileSink | undefined;
  return {
    entry: (entry) => {
      number += 1;
      const leaf = leaves.at(-1);
      if (leaf?.entry !== number || leaf.parent === undefined) return;
      leaves.pop();
      const path = bytes(pathOf(leaf.parent, leaf.name));
      if (leaf.kind === "file") into = sink.addFile(path, metadataOf(entry), leaf.sizeBytes);
      else sink.addSymlink(path, entry.linkTarget, metadataOf(entry));
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
    // Its diff_id has told that it is whole.
    reader.finishWhole();
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
