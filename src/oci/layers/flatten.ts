/**
 * From layers to one root file system, by what their listings say. They are read twice: names are laid over each other
 * first, and how large the result will be is known then; what is left is told with its metadata afterwards. Content is
 * where the unpacking of the layers has put it.
 */
import { BangerError } from "../../base/base.ts";
import type { Limits } from "../limits.ts";
import { applyEntry, metadataOf } from "./apply.ts";
import { readListing } from "./listing.ts";
import { type Leaf, planRoot, type RootPlan, type RootTotals } from "./plan.ts";
import type { LayerContent, RootSink } from "./sink.ts";
import { type Directory, Tree } from "./tree.ts";

export interface FlattenRequest {
  /** Paths of the layers' listings, the lowest first. */
  listings: readonly string[];
  /** The configuration's WorkingDir: made where no layer has it, as whoever runs a container does. Empty: there is none. */
  workingDir: string;
  limits: Limits;
  signal: AbortSignal;
}

export interface MergedRoot {
  totals: RootTotals;
  /** Content of files that are left; none twice. */
  contents(): Iterable<LayerContent>;
  /** Names and metadata, once. Throws what the sink throws; cancelled. */
  write<D>(sink: RootSink<D>): Promise<void>;
}

const manyNodes = 50_000;
/** So many entries, and others get their turn. */
const turnEntries = 2000;

/** Throws corrupt for layers that make no sense together, precondition for what is over a limit, cancelled. */
export async function mergeLayers({
  listings,
  workingDir,
  limits,
  signal,
}: FlattenRequest): Promise<MergedRoot> {
  const tree = new Tree(limits.entries);
  for (const [layer, listing] of listings.entries()) {
    if (layer > 0) tree.nextLayer();
    let number = 0;
    for (const entry of readListing(listing)) {
      applyEntry(tree, entry, number);
      number += 1;
      if (number % turnEntries === 0) await turn(signal);
    }
  }
  // Names are bytes: one character each.
  if (workingDir !== "") tree.enter(Buffer.from(workingDir).toString("latin1").split("/"), { mtimeS: 0 });
  const plan = planRoot(tree.root, listings.length);
  // What reading has left behind is more than what is kept, and the heap would go on growing from there: of an image of
  // 404,000 files the import takes 415 MiB instead of 527.
  if (tree.made > manyNodes) Bun.gc(true);
  return {
    totals: plan.totals,
    contents: () => contentsOf(plan),
    write: (sink) => writeRoot(plan, listings, sink, signal),
  };
}

function* contentsOf(plan: RootPlan): Generator<LayerContent> {
  for (const [layer, leaves] of plan.leaves.entries()) {
    for (const leaf of leaves)
      if (leaf.kind === "file" && leaf.content !== undefined) yield { layer, number: leaf.content };
  }
}

async function writeRoot<D>(
  plan: RootPlan,
  listings: readonly string[],
  sink: RootSink<D>,
  signal: AbortSignal,
): Promise<void> {
  const made = new Map<Directory, D>();
  const handle = (directory: Directory): D => {
    const found = made.get(directory);
    if (found === undefined) throw new BangerError("internal", "a directory comes after what is in it");
    return found;
  };
  for (const directory of plan.directories) {
    const { parent, name, metadata } = directory;
    made.set(
      directory,
      parent === directory ? sink.root(metadata) : sink.addDirectory(handle(parent), name, metadata),
    );
  }
  for (const [layer, listing] of listings.entries()) {
    const leaves = plan.leaves[layer] ?? [];
    // Of a layer that is hidden altogether, nothing is read again.
    if (leaves.length > 0) await writeLeaves({ layer, listing, leaves }, sink, handle, signal);
  }
  for (const { parent, name, target } of plan.hardLinks) {
    if (target.parent === undefined) continue;
    sink.addHardLink(handle(parent), name, { parent: handle(target.parent), name: target.name });
  }
}

/** Passes on what is left of a layer, and lets go of it: what the sink knows of it grows meanwhile. */
async function writeLeaves<D>(
  { layer, listing, leaves }: { layer: number; listing: string; leaves: Leaf[] },
  sink: RootSink<D>,
  handle: (directory: Directory) => D,
  signal: AbortSignal,
): Promise<void> {
  let number = -1;
  for (const entry of readListing(listing)) {
    number += 1;
    if (number % turnEntries === 0) await turn(signal);
    const leaf = leaves.at(-1);
    if (leaf?.entry !== number || leaf.parent === undefined) continue;
    leaves.pop();
    const parent = handle(leaf.parent);
    if (leaf.kind === "symlink")
      sink.addSymlink(parent, leaf.name, Buffer.from(leaf.target, "latin1"), metadataOf(entry));
    else {
      const content = leaf.content === undefined ? undefined : { layer, number: leaf.content };
      sink.addFile(parent, leaf.name, metadataOf(entry), leaf.sizeBytes, content);
    }
  }
}

async function turn(signal: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
}
