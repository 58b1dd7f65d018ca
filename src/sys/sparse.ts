/** Copies that keep holes, and make new ones: neither holes nor blocks of zeros are written. */
import { ftruncateSync, readSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { copyInKernel, type FilePlace, nextData, punchHole } from "./shim.ts";

const chunkBytes = 1024 * 1024;
const blockBytes = 64 * 1024;
/** The page cache takes memory in pieces as large as a write: of a megabyte they cost five times as much (6.18). */
const writeBytes = 256 * 1024;
const zeros = Buffer.alloc(blockBytes);

/** Copies the first `size` bytes. The target is new and empty, so what is skipped reads as zeros. */
export async function copySparse(
  source: FileHandle,
  target: FileHandle,
  size: number,
  signal?: AbortSignal,
): Promise<void> {
  const buffer = Buffer.alloc(Math.min(chunkBytes, size));
  for (let at = 0; at < size; ) {
    // An image of 8 GiB with 600 MB in it: reading its holes would take ten times as long as its data.
    const data = nextData(source.fd, at);
    if (data === undefined) break;
    at = data.start;
    const end = Math.min(data.end, size);
    while (at < end) {
      signal?.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) throw new Error(`the file ends at ${at} bytes, within what it said is data`);
      await writeBlocks(target, buffer.subarray(0, bytesRead), at);
      at += bytesRead;
    }
  }
  await target.truncate(size);
}

/** What the first file has, and the second has not, becomes the second's: blocks of 4 KiB that are not all zeros. */
export async function overlaySparse(source: FileHandle, target: FileHandle): Promise<void> {
  const { size } = await source.stat();
  const buffer = Buffer.alloc(Math.min(chunkBytes, size));
  for (let data = nextData(source.fd, 0); data !== undefined; data = nextData(source.fd, data.end)) {
    for (let at = data.start; at < data.end; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, data.end - at), at);
      if (bytesRead === 0) throw new Error(`the file ends at ${at} bytes, within what it said is data`);
      await writeBlocks(target, buffer.subarray(0, bytesRead), at, 4096);
      at += bytesRead;
    }
    if (data.end >= size) break;
  }
}

/**
 * Copies so many bytes; where the file system can, they share the source's blocks. Synchronous: within the kernel it takes less
 * than to ask another thread for it.
 */
export function copyRange(from: FilePlace, to: FilePlace, bytes: number): void {
  for (let done = 0; done < bytes; ) {
    const source = { fd: from.fd, at: from.at + done };
    const target = { fd: to.fd, at: to.at + done };
    const copied = copyInKernel(source, target, bytes - done) ?? copyPiece(source, target, bytes - done);
    if (copied === 0) throw new Error(`the file ends at ${source.at} bytes, within what is copied`);
    done += copied;
  }
}

function copyPiece(from: FilePlace, to: FilePlace, bytes: number): number {
  const buffer = Buffer.allocUnsafe(Math.min(writeBytes, bytes));
  const length = readSync(from.fd, buffer, 0, buffer.length, from.at);
  for (let done = 0; done < length; ) done += writeSync(to.fd, buffer, done, length - done, to.at + done);
  return length;
}

/** A part of a file becomes zeros, and a hole where there can be one. */
export function emptyStretch(fd: number, from: number, bytes: number): void {
  if (punchHole(fd, from, bytes)) return;
  for (let done = 0; done < bytes; )
    done += writeSync(fd, zeros, 0, Math.min(zeros.length, bytes - done), from + done);
}

/** Neighbouring blocks go out in one write. */
async function writeBlocks(
  target: FileHandle,
  bytes: Buffer,
  position: number,
  unit = blockBytes,
): Promise<void> {
  let from = 0;
  for (let start = 0; start < bytes.length; start += unit) {
    const block = bytes.subarray(start, start + unit);
    if (!block.equals(zeros.subarray(0, block.length))) continue;
    await writeAll(target, bytes.subarray(from, start), position + from);
    from = start + block.length;
  }
  await writeAll(target, bytes.subarray(from), position + from);
}

/** write(2) may write less than asked, above all when a disk fills up: the rest then fails with the reason. */
async function writeAll(target: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** A file that is written from its beginning to its end, in pieces; what is zeros becomes a hole. It is new, and empty. */
export class SparseWriter {
  #position = 0;

  constructor(readonly fd: number) {}

  /** Returns how many bytes are no hole. */
  write(bytes: Buffer): number {
    let from = 0;
    let holes = 0;
    for (let start = 0; start < bytes.length; ) {
      // To the next boundary of a block of the file: pieces come as they come.
      const end = Math.min(bytes.length, start + blockBytes - ((this.#position + start) % blockBytes));
      if (bytes.subarray(start, end).equals(zeros.subarray(0, end - start))) {
        this.#put(bytes.subarray(from, start), from);
        from = end;
        holes += end - start;
      }
      start = end;
    }
    this.#put(bytes.subarray(from), from);
    this.#position += bytes.length;
    return bytes.length - holes;
  }

  hole(bytes: number): void {
    this.#position += bytes;
  }

  /** Gives the file its size. */
  end(): void {
    ftruncateSync(this.fd, this.#position);
  }

  #put(bytes: Buffer, offset: number): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.fd, bytes, done, bytes.length - done, this.#position + offset + done);
  }
}
