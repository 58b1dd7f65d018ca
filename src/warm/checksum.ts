/** Checksums of sparse files: against damage, not against an enemy, who could write the manifest too. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { nextData } from "../sys/sys.ts";

const chunkBytes = 1024 * 1024;
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

/** The same for a hole and for zeros, because a file system may turn one into the other. */
export async function checksum(path: string): Promise<string> {
  // O_NONBLOCK: a pipe in its place would be waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error(`${path} is no regular file`);
    const { size } = found;
    const buffer = Buffer.alloc(chunkBytes);
    let sum = Bun.hash.xxHash3(String(size));
    for (let at = 0; at < size; ) {
      const data = nextData(file.fd, at);
      if (data === undefined) break;
      // To whole blocks of the file, wherever its data begins: a block then counts the same however it is stored.
      at = Math.max(at, data.start - (data.start % blockBytes));
      while (at < Math.min(data.end, size)) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(chunkBytes, size - at), at);
        if (bytesRead === 0) throw new Error(`${path} ends at ${at} bytes`);
        for (let start = 0; start < bytesRead; start += blockBytes) {
          const block = buffer.subarray(start, Math.min(start + blockBytes, bytesRead));
          if (block.equals(zeros.subarray(0, block.length))) continue;
          sum = Bun.hash.xxHash3(`${sum} ${at + start} ${Bun.hash.xxHash3(block)}`);
        }
        at += bytesRead;
      }
    }
    return sum.toString(16).padStart(16, "0");
  } finally {
    await file.close();
  }
}
