/** The database's rows of images and kernels: which stored artifact a name means at present. */
import { statSync } from "node:fs";
import { BangerError } from "../../base/base.ts";
import { listImages, readImage, type StoredImage } from "../../image/image.ts";
import { listKernels, readKernel, type StoredKernel } from "../../kernel/kernel.ts";
import type { Artifact, ArtifactTable, State } from "../../state/state.ts";
import { byAge } from "./names.ts";

/** The directories where images and kernels are stored. */
export interface Stores {
  images: string;
  kernels: string;
}

/** The image that a name means; undefined when it means none, or one that is no longer there. */
export function findImage(state: State, stores: Stores, name: string): Promise<StoredImage | undefined> {
  return findAgain(state, stores, () => find(state.images, name, (id) => readImage(stores.images, id)));
}

export function findKernel(state: State, stores: Stores, name: string): Promise<StoredKernel | undefined> {
  return findAgain(state, stores, () => find(state.kernels, name, (id) => readKernel(stores.kernels, id)));
}

export function rowOf({ name, id, directory, createdAt }: Artifact): Artifact {
  return { name, id, directory, createdAt };
}

/** The directories are the truth: names that the database lost are found again, names without one are dropped. */
export async function reconcileRows(state: State, stores: Stores): Promise<void> {
  dropAbsent(state.images);
  dropAbsent(state.kernels);
  const known = new Set([...state.images.list(), ...state.kernels.list()].map((row) => row.name));
  addUnknown(state.images, await listImages(stores.images), known);
  addUnknown(state.kernels, await listKernels(stores.kernels), known);
}

/** What was put into a directory by hand since the daemon started, out of a backup, is found too. */
async function findAgain<T>(
  state: State,
  stores: Stores,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const found = await find();
  if (found !== undefined) return found;
  await reconcileRows(state, stores);
  return find();
}

async function find<T>(
  table: ArtifactTable,
  name: string,
  read: (id: string) => Promise<T>,
): Promise<T | undefined> {
  const row = table.list().find((candidate) => candidate.name === name);
  return row === undefined ? undefined : await read(row.id).catch(notFoundIsUndefined);
}

function notFoundIsUndefined(error: unknown): undefined {
  if (error instanceof BangerError && error.code === "not_found") return undefined;
  throw error;
}

function dropAbsent(table: ArtifactTable): void {
  for (const row of table.list()) if (!isDirectory(row.directory)) table.remove(row.name);
}

/** Of several with one name the newest is put last, and stays. */
function addUnknown(table: ArtifactTable, stored: readonly Artifact[], known: ReadonlySet<string>): void {
  for (const artifact of [...stored].sort(byAge)) if (!known.has(artifact.name)) table.put(rowOf(artifact));
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
