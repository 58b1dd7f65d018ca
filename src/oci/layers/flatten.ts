/**
 * From layers to one root file system, by what their listings say. They are read twice: names are laid over each other
 * first, and how large the result will be is known then; what is left is told with its metadata afterwards. Content is
 * where the unpacking of the layers has put it.
 */
import { BangerError, leftBehind } from "../../base/base.ts";
import type { Limits } from "../limits.ts";
import { applyEntry, metadataOf } from "./apply.ts";
import { readListing } from "./listing.ts";
import { planRoot, type RootPlan, type RootTotals } from "./plan.ts";
import type { LayerContent, RootSink } from "./sink.ts";
import { Tree } from "./tree.ts";

export interface FlattenRequest {
  /** Paths of the layers' listings, the lowest first. */
  listings: readonly string[];
  /** The configuration's WorkingDir: made where no layer has it, as whoever runs a container does. Empty: there is none. */
  workingDir: string;
  /** Names in the root that the file system has a directory of itself: files and symlinks that have one are left out. */
  reserved: ReadonlySet<string>;
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

/** So many entries, and others get their turn. */
const turnEntries = 2000;
/** What reading and applying one leaves behind. */
const objectsOfEntry = 10;

/** Throws corrupt for layers that make no sense together, precondition for what is over a limit, cancelled. */
export async function mergeLayers({
  listings,
  workingDir,
  reserved,
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
  const merged: Merged = { tree, plan: planRoot(tree, reserved), listings };
  return {
    totals: merged.plan.totals,
    contents: () => contentsOf(merged),
    write: (sink) => writeRoot(merged, sink, signal),
  };
}

interface Merged {
  tree: Tree;
  plan: RootPlan;
  listings: readonly string[];
}

function* contentsOf({ tree: { leaves }, listings }: Merged): Generator<LayerContent> {
  for (let layer = 0; layer < listings.length; layer += 1) {
    const { first, end } = leaves.ofLayer(layer);
    for (let number = first; number < end; number += 1) {
      const leaf = leaves.nameOf(number) === undefined ? undefined : leaves.get(number);
      if (leaf?.kind === "file" && leaf.content !== undefined) yield { layer, number: leaf.content };
    }
  }
}

async function writeRoot<D>(merged: Merged, sink: RootSink<D>, signal: AbortSignal): Promise<void> {
  const { tree, plan, listings } = merged;
  const { names, leaves } = tree;
  /** By the directories' numbers. */
  const made: D[] = [];
  for (const { number, parent, entry, metadata } of plan.directories) {
    made[number] =
      entry === undefined
        ? sink.root(metadata)
        : sink.addDirectory(handle(made, parent.number), names.name(entry), metadata);
  }
  for (const [layer, listing] of listings.entries())
    await writeLeaves({ tree, layer, listing }, sink, made, signal);
  for (const entry of plan.hardLinks) {
    const leaf = tree.leaf(names.value(entry));
    const target = leaf === undefined ? undefined : leaves.nameOf(leaf);
    if (target === undefined) continue;
    sink.addHardLink(handle(made, names.directory(entry)), names.name(entry), {
      parent: handle(made, names.directory(target)),
      name: names.name(target),
    });
  }
}

/** Passes on what is left of a layer. */
async function writeLeaves<D>(
  { tree: { names, leaves }, layer, listing }: { tree: Tree; layer: number; listing: string },
  sink: RootSink<D>,
  made: readonly D[],
  signal: AbortSignal,
): Promise<void> {
  let { first: number, end } = leaves.ofLayer(layer);
  const toNextLeft = () => {
    while (number < end && leaves.nameOf(number) === undefined) number += 1;
  };
  toNextLeft();
  // Of a layer that is hidden altogether, nothing is read again.
  if (number === end) return;
  let entries = -1;
  for (const entry of readListing(listing)) {
    entries += 1;
    if (entries % turnEntries === 0) await turn(signal);
    const name = leaves.nameOf(number);
    if (number === end || name === undefined || leaves.entry(number) !== entries) continue;
    const leaf = leaves.get(number);
    const parent = handle(made, names.directory(name));
    if (leaf.kind === "symlink")
      sink.addSymlink(parent, names.name(name), Buffer.from(leaf.target, "latin1"), metadataOf(entry));
    else {
      const content = leaf.content === undefined ? undefined : { layer, number: leaf.content };
      sink.addFile(parent, names.name(name), metadataOf(entry), leaf.sizeBytes, content);
    }
    number += 1;
    toNextLeft();
  }
}

function handle<D>(made: readonly D[], directory: number): D {
  const found = made[directory];
  if (found === undefined) throw new BangerError("internal", "a directory comes after what is in it");
  return found;
}

async function turn(signal: AbortSignal): Promise<void> {
  leftBehind(turnEntries * objectsOfEntry);
  await new Promise(setImmediate);
  if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
}
