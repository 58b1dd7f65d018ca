/**
 * The packed room: gzip and zstd, as they stream by.
 *
 * Owns all unpacking of what others have packed. Promises: what comes out is all that was packed, or an error: a stream that
 * is cut off, at its last byte too, is refused, and so is one with more behind it; memory is bounded by the format's window.
 * Knows neither what the bytes are nor how many there may be: who takes them counts.
 */
import { BangerError } from "../base/base.ts";

export type PackedFormat = "gzip" | "zstd";

/** A frame, or one to be skipped, which some writers put first (RFC 8878, 3.1). */
const zstdMagic = /^(28b52ffd|5[0-9a-f]2a4d18)/;

/** By the first four bytes; undefined for what is neither. */
export function packedFormat(beginning: Buffer): PackedFormat | undefined {
  const hex = beginning.toString("hex", 0, 4);
  if (hex.startsWith("1f8b")) return "gzip";
  return zstdMagic.test(hex) ? "zstd" : undefined;
}

/**
 * What one or more streams unpack to, one after the other, at least one. Throws corrupt, and what `packed` throws.
 *
 * Not by node:zlib (Bun 1.4.5): its zstd ends without an error where a frame is cut off, and takes anything behind the last
 * one; its gzip takes anything behind a zero. zstd(1) refuses those, and Go's gzip, by which the ecosystem reads layers, refuses
 * zeros too. A window of more than 128 MiB is refused, as by zstd(1).
 */
export async function* unpacked(
  format: PackedFormat,
  packed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const iterator = packed[Symbol.asyncIterator]();
  // Which of the two has failed decides what is told: what was sent, or how it was sent.
  let failure: { of: unknown } | undefined;
  const source = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        failure = { of: error };
        throw error;
      }
    },
    cancel: async () => void (await iterator.return?.()),
  });
  try {
    for await (const chunk of source.pipeThrough(new DecompressionStream(format)))
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  } catch (error) {
    if (failure !== undefined) throw failure.of;
    throw new BangerError(
      "corrupt",
      `it is damaged, or no ${format}: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}

const pieceBytes = 256 * 1024;

/** The same of what is in memory, and into it. Throws corrupt for more than `maxBytes`, too. */
export async function unpackedInMemory(
  format: PackedFormat,
  packed: Uint8Array,
  maxBytes: number,
): Promise<Buffer> {
  const pieces = async function* () {
    // Copies: a stream may keep what it is given.
    for (let at = 0; at < packed.length; at += pieceBytes) yield packed.slice(at, at + pieceBytes);
  };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of unpacked(format, pieces())) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new BangerError("corrupt", `it has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
