/**
 * What is in a device-mapper snapshot's store, version 1 (Documentation/admin-guide/device-mapper/snapshot.rst; the layout is
 * drivers/md/dm-snap-persistent.c's): a header in the first chunk, then areas of one chunk with exceptions and a chunk of
 * data for each of them.
 */
import type { FileHandle } from "node:fs/promises";
import { BangerError } from "../base/base.ts";

/** "SnAp", little-endian. */
const magic = 0x70416e53;
const sectorBytes = 512;
const exceptionBytes = 16;

/** Pieces of the disk that are in the store: where they are on the disk, and where in the file; in bytes. */
export async function* snapshotPieces(
  store: FileHandle,
): AsyncGenerator<{ offset: number; bytes: number; at: number }> {
  const head = await readAt(store, 0, 16);
  // A store that was never used: nothing has been written.
  if (head.readUInt32LE(0) === 0) return;
  const chunkBytes = head.readUInt32LE(12) * sectorBytes;
  const sane = head.readUInt32LE(0) === magic && head.readUInt32LE(8) === 1 && isPowerOfTwo(chunkBytes);
  if (!sane)
    throw new BangerError("corrupt", "the root disk's layer is damaged: it is no store of a snapshot");
  if (head.readUInt32LE(4) !== 1)
    throw new BangerError("corrupt", "the root disk's layer has overflowed: what it has is not whole");
  const { size } = await store.stat();
  const perArea = chunkBytes / exceptionBytes;
  for (let area = 0; ; area += 1) {
    const at = (1 + area * (perArea + 1)) * chunkBytes;
    if (at + chunkBytes > size) return;
    const exceptions = await readAt(store, at, chunkBytes);
    for (let entry = 0; entry < perArea; entry += 1) {
      const chunk = Number(exceptions.readBigUInt64LE(entry * exceptionBytes));
      const copy = Number(exceptions.readBigUInt64LE(entry * exceptionBytes + 8));
      if (copy === 0) return;
      yield { offset: chunk * chunkBytes, bytes: chunkBytes, at: copy * chunkBytes };
    }
  }
}

function isPowerOfTwo(bytes: number): boolean {
  return bytes >= 4096 && bytes <= 1024 ** 2 && (bytes & (bytes - 1)) === 0;
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  await file.read(buffer, 0, bytes, position);
  return buffer;
}
