/** Where the end of a log begins. */
import { open } from "node:fs/promises";

const chunkBytes = 64 * 1024;
const newline = 10;

/**
 * The position of the first of the last `count` lines that `counts` says yes to; 0 where there are not so many. A last line that
 * is not finished is one.
 */
export async function startOfLast(
  path: string,
  count: number,
  counts: (line: Buffer) => boolean = () => true,
): Promise<number> {
  const file = await open(path, "r");
  try {
    let { size: at } = await file.stat();
    if (count === 0) return at;
    let found = 0;
    // What has been read of the line that ends there.
    let rest: Buffer[] = [];
    let last = true;
    while (at > 0) {
      const length = Math.min(chunkBytes, at);
      at -= length;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
      let end = bytesRead;
      for (let index = bytesRead - 1; index >= 0; index -= 1) {
        if (buffer[index] !== newline) continue;
        const line = Buffer.concat([buffer.subarray(index + 1, end), ...rest]);
        end = index;
        rest = [];
        // Behind the last line's end there is no line.
        const isLine = !last || line.length > 0;
        last = false;
        if (isLine && counts(line)) found += 1;
        if (found === count) return at + index + 1;
      }
      rest.unshift(buffer.subarray(0, end));
    }
    return 0;
  } finally {
    await file.close();
  }
}
