/** A disk as its guest sees it, without the layers that it is made of: a file of its own. */
import { type FileHandle, open } from "node:fs/promises";
import { cloneFile, copySparse } from "../sys/sys.ts";
import { type AsideOptions, makeDisk } from "./aside.ts";
import type { DiskFile } from "./layer.ts";
import { openQcow2 } from "./qcow2-read.ts";
import { snapshotPieces } from "./snapshot-read.ts";

/** A file, or what a device-mapper snapshot shows: a store over a base. */
export type LayeredDisk = DiskFile | { store: string; base: string };

interface Piece {
  offset: number;
  bytes: number;
  at: number | undefined;
}

/** Into `to`, with holes where there are zeros. Nobody writes the disk meanwhile. Throws corrupt for damaged layers. */
export async function flattenDisk(
  disk: LayeredDisk,
  to: string,
  { signal, ...options }: AsideOptions & { signal: AbortSignal },
): Promise<void> {
  await makeDisk(to, options, async (target) => {
    if ("store" in disk) {
      await copyRaw(disk.base, target, signal);
      const store = await open(disk.store, "r");
      await copyPieces(store, snapshotPieces(store), target, signal).finally(() => store.close());
    } else await copyLayers(disk, target, signal);
  });
}

/** The lowest first: each covers what is below it. */
async function copyLayers(
  { path, format }: DiskFile,
  target: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  if (format === "raw") return await copyRaw(path, target, signal);
  const layer = await openQcow2(path);
  try {
    if (layer.base !== undefined) await copyLayers(layer.base, target, signal);
    await target.truncate(layer.virtualBytes);
    await copyPieces(layer.file, layer.pieces(), target, signal);
  } finally {
    await layer.close();
  }
}

async function copyRaw(path: string, target: FileHandle, signal: AbortSignal): Promise<void> {
  const source = await open(path, "r");
  try {
    if (!cloneFile(target.fd, source.fd))
      await copySparse(source, target, (await source.stat()).size, signal);
  } finally {
    await source.close();
  }
}

async function copyPieces(
  source: FileHandle,
  pieces: AsyncIterable<Piece>,
  target: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  let buffer = Buffer.alloc(64 * 1024);
  for await (const { offset, bytes, at } of pieces) {
    signal.throwIfAborted();
    if (buffer.length < bytes) buffer = Buffer.alloc(bytes);
    const piece = buffer.subarray(0, bytes);
    // A layer's file may end within its last piece.
    piece.fill(0);
    if (at !== undefined) await source.read(piece, 0, bytes, at);
    for (let done = 0; done < bytes; )
      done += (await target.write(piece, done, bytes - done, offset + done)).bytesWritten;
  }
}
