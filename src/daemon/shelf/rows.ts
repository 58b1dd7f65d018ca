/** The database's rows of images and kernels: which stored artifact a name means at present. */
import { statSync } from "node:fs";
import { BangerError } from "../../base/base.ts";
import { listDamaged, listImages, readImage, type StoredImage } from "../../image/image.ts";
import { listKernels, readKernel, type StoredKernel } from "../../kernel/kernel.ts";
import type { Artifact, ArtifactTable, State } from "../../state/state.ts";

/** The directories where images and kernels are stored. */
export interface Stores {
  images: string;
  kernels: string;
}

/** The image that a name means; undefined when it means none, or one that is no longer there. */
export function findImage(state: State, stores: Stores, name: string): Promise<StoredImage | undefined> {
  return find(state.images, name, (id) => readImage(stores.images, id));
}

export function findKernel(state: State, stores: Stores, name: string): Promise<StoredKernel | undefined> {
  return find(state.kernels, name, (id) => readKernel(stores.kernels, id));
}

/** The same for whoever would make it anew: what was put into the store by hand, out of a backup, has no row yet. */
export async function adoptImage(
  state: State,
  stores: Stores,
  name: string,
): Promise<StoredImage | undefined> {
  return (await findImage(state, stores, name)) ?? adopt(state.images, name, await listImages(stores.images));
}

export async function adoptKernel(
  state: State,
  stores: Stores,
  name: string,
): Promise<StoredKernel | undefined> {
  return (
    (await findKernel(state, stores, name)) ?? adopt(state.kernels, name, await listKernels(stores.kernels))
  );
}

/** Images that cannot be read, under the names that they had; one whose row is lost, too, is found by its digest alone. */
export async function damagedImages(state: State, stores: Stores): Promise<Omit<Artifact, "directory">[]> {
  const rows = state.images.list();
  return (await listDamaged(stores.images)).map((id) => ({
    id,
    name: rows.find((row) => row.id === id)?.name ?? id,
    createdAt: "",
  }));
}

export function rowOf({ name, id, directory, createdAt }: Artifact): Artifact {
  return { name, id, directory, createdAt };
}

export function byAge(a: { createdAt: string }, b: { createdAt: string }): number {
  return a.createdAt.localeCompare(b.createdAt);
}

/** Directories of the stores are named by what is in them. */
export function idOf(directory: string): string {
  return `sha256:${directory.split("/").at(-1)}`;
}

/** The directories are the truth: names that the database lost are found again, names without one are dropped. */
export async function reconcileRows(state: State, stores: Stores): Promise<void> {
  dropAbsent(state.images);
  dropAbsent(state.kernels);
  const known = new Set([...state.images.list(), ...state.kernels.list()].map((row) => row.name));
  addUnknown(state.images, await listImages(stores.images), known);
  addUnknown(state.kernels, await listKernels(stores.kernels), known);
}

/** Of several with the name the newest. */
function adopt<T extends Artifact>(table: ArtifactTable, name: string, stored: readonly T[]): T | undefined {
  const found = stored
    .filter((each) => each.name === name)
    .sort(byAge)
    .at(-1);
  if (found !== undefined) table.put(rowOf(found));
  return found;
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
