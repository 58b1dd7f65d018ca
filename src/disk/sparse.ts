/** Copies that keep holes: blocks of zeros are not written. */
import type { FileHandle } from "node:fs/promises";

const chunkBytes = 1024 * 1024;
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

/** Copies `size` bytes; the target is empty, so what is skipped reads as zeros. */
export async function copySparse(source: FileHandle, target: FileHandle, size: number): Promise<void> {
  const buffer = Buffer.alloc(chunkBytes);
  for (let position = 0; position < size; ) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(chunkBytes, size - position), position);
    if (bytesRead === 0) break;
    for (let start = 0; start < bytesRead; start += blockBytes) {
      const block = buffer.subarray(start, Math.min(start + blockBytes, bytesRead));
      if (block.equals(zeros.subarray(0, block.length))) continue;
      await target.write(block, 0, block.length, position + start);
    }
    position += bytesRead;
  }
  await target.truncate(size);
}
