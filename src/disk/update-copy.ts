/** A copy of a disk that was made while the disk was written to, made like it by the difference alone. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { cloneFile, nextData } from "../sys/sys.ts";

const chunkBytes = 1024 * 1024;
const blockBytes = 64 * 1024;

/**
 * Where the file system has reflinks that is one call; where it has not, both are read, and only what differs is written. Nobody
 * writes to either meanwhile. When it fails the copy is of no use.
 */
export async function updateCopy(from: string, to: string): Promise<void> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const target = await open(to, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      const { size } = await source.stat();
      await target.truncate(size);
      if (cloneFile(target.fd, source.fd)) return;
      await writeDifference(source, target, size);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function writeDifference(source: FileHandle, target: FileHandle, size: number): Promise<void> {
  const [wanted, there] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  for (let at = 0; at < size; ) {
    // What is a hole in one of them and data in the other counts, too: a guest may have given blocks back.
    const data = [source, target].map(({ fd }) => nextData(fd, at)).filter((each) => each !== undefined);
    if (data.length === 0) return;
    at = Math.max(at, Math.min(...data.map(({ start }) => start)));
    const until = Math.min(Math.max(...data.filter(({ start }) => start <= at).map(({ end }) => end)), size);
    while (at < until) {
      const length = Math.min(chunkBytes, until - at);
      const [now, then] = await Promise.all([
        read(source, wanted, length, at),
        read(target, there, length, at),
      ]);
      if (!now.equals(then)) await writeBlocks(target, now, then, at);
      at += length;
    }
  }
}

async function read(file: FileHandle, into: Buffer, length: number, position: number): Promise<Buffer> {
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(into, done, length - done, position + done);
    if (bytesRead === 0) throw new Error(`a disk ends at ${position + done} bytes, before its size`);
    done += bytesRead;
  }
  return into.subarray(0, length);
}

async function writeBlocks(target: FileHandle, now: Buffer, then: Buffer, position: number): Promise<void> {
  for (let start = 0; start < now.length; start += blockBytes) {
    const block = now.subarray(start, start + blockBytes);
    if (block.equals(then.subarray(start, start + blockBytes))) continue;
    for (let done = 0; done < block.length; ) {
      const { bytesWritten } = await target.write(block, done, block.length - done, position + start + done);
      done += bytesWritten;
    }
  }
}
