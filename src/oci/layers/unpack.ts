/**
 * A layer's bytes, unpacked, and checked against its diff_id while they go by. Who reads them to their end knows that they
 * are the layer; who acts on them before must be able to take it back.
 */
import type { FileHandle } from "node:fs/promises";
import { BangerError, formatBytes } from "../../base/base.ts";
import { endHash, hashFor } from "../../download/download.ts";
import { packedFormat, unpacked as unpackedStream } from "../../packed/packed.ts";
import type { FetchedLayer } from "../fetch-layers.ts";
import type { Limits } from "../limits.ts";

/** The reading of an image's layers, of which several can be under way. */
export interface Reading {
  limits: Limits;
  /** What they have unpacked to so far, of what they may. */
  unpackedBytes: number;
  /** Entries that were read so far. */
  entries: number;
  /** Bytes of packed layers that were read. */
  onPacked(bytes: number): void;
  /** Called before so much more is unpacked. Throws when there is no room for it. */
  needRoom(bytes: number): Promise<void>;
}

const roomBytes = 64 * 1024 ** 2;

const chunkBytes = 256 * 1024;

/** Throws corrupt at the end when it is another layer, precondition for one that is too large, cancelled. */
export async function* unpacked(
  { blob, descriptor, diffId }: Pick<FetchedLayer, "blob" | "descriptor" | "diffId">,
  reading: Reading,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { limits } = reading;
  const most = Math.max(limits.ratioFloorBytes, descriptor.size * limits.ratio);
  const hash = hashFor(diffId);
  let size = 0;
  for await (const chunk of plain(readAll(blob, reading, signal), await beginningOf(blob))) {
    if (size % roomBytes < chunk.length) await reading.needRoom(roomBytes);
    size += chunk.length;
    reading.unpackedBytes += chunk.length;
    if (size > most) {
      throw new BangerError(
        "precondition",
        `it unpacks from ${formatBytes(descriptor.size)} to more than ${formatBytes(most)}`,
        {
          hint: "no honest layer does: it is made to fill a disk",
        },
      );
    }
    if (reading.unpackedBytes > limits.unpackedBytes) {
      throw new BangerError(
        "precondition",
        `with it, the image's layers unpack to more than ${formatBytes(limits.unpackedBytes)}`,
      );
    }
    hash.update(chunk);
    yield chunk;
  }
  const found = endHash(hash, diffId);
  if (found !== diffId) {
    throw new BangerError("corrupt", `it unpacks to ${found}, but the image's configuration says ${diffId}`);
  }
}

/** By its first bytes, as everywhere in the ecosystem: its media type is often wrong about this. */
function plain(packed: AsyncGenerator<Buffer>, beginning: Buffer): AsyncGenerator<Buffer> {
  const format = packedFormat(beginning);
  return format === undefined ? packed : unpackedStream(format, packed);
}

async function beginningOf(blob: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await blob.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.subarray(0, bytesRead);
}

async function* readAll(
  blob: FileHandle,
  { onPacked }: Reading,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
    const { buffer, bytesRead } = await blob.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onPacked(bytesRead);
    yield buffer.subarray(0, bytesRead);
  }
}
