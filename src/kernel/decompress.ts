/** gzip and zstd, a chunk at a time: what somebody gives as a kernel must not hold up the daemon, nor fill its memory. */
import { BangerError } from "../base/base.ts";

/**
 * The content of one stream. Throws corrupt for what is none, goes on behind its end, was cut off, or has more than
 * `maxBytes`. Not by node:zlib, whose zstd gives a frame that is cut off as if it were whole (Bun 1.4.5).
 */
export async function decompressed(
  packed: Uint8Array,
  format: "gzip" | "zstd",
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const blob = new Blob([Buffer.from(packed)]);
  try {
    for await (const chunk of blob.stream().pipeThrough(new DecompressionStream(format))) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new BangerError("corrupt", `it has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BangerError) throw error;
    throw new BangerError("corrupt", error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
  return Buffer.concat(chunks, bytes);
}
