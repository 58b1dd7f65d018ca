/** An image on the disk: its documents and blobs by digest, out of a directory or an archive. */
import type { FileHandle } from "node:fs/promises";
import { BangerError } from "../../base/base.ts";
import type { BlobId } from "../../download/download.ts";
import { imageLimits } from "../limits.ts";
import type { FetchedDocument, ImageSource } from "../source.ts";

/** Bytes of an open file. */
export interface FilePart {
  file: FileHandle;
  offset: number;
  sizeBytes: number;
  /** When they have been read. */
  done(): Promise<void>;
}

export interface DiskImage {
  reference: string;
  root: FetchedDocument;
  find(blob: BlobId): Promise<FilePart | undefined>;
  close(): Promise<void>;
}

export function diskSource({ reference, root, find, close }: DiskImage): ImageSource {
  const partOf = async (descriptor: BlobId): Promise<FilePart> => {
    const part = await find(descriptor);
    if (part === undefined)
      throw new BangerError("corrupt", `${reference} lacks its blob ${descriptor.digest}`);
    if (part.sizeBytes === descriptor.size) return part;
    await part.done();
    throw new BangerError(
      "corrupt",
      `blob ${descriptor.digest} of ${reference} has ${part.sizeBytes} bytes, but its manifest says ${descriptor.size}`,
    );
  };
  return {
    reference,
    root: async () => root,
    document: async (descriptor, signal) => {
      const part = await partOf(descriptor);
      return { bytes: await readPart(part, reference, signal), mediaType: descriptor.mediaType };
    },
    blob: async (descriptor, from, signal) => {
      const part = await partOf(descriptor);
      return { start: from, chunks: chunksOf(part, from, signal) };
    },
    close,
  };
}

/** A document whole. Throws corrupt for one that is larger than any. */
export async function readPart(part: FilePart, what: string, signal: AbortSignal): Promise<Buffer> {
  const { documentBytes } = imageLimits;
  if (part.sizeBytes > documentBytes) {
    await part.done();
    throw new BangerError("corrupt", `a document of ${what} is larger than ${documentBytes} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(part, 0, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const chunkBytes = 1024 * 1024;

async function* chunksOf(
  { file, offset, sizeBytes, done }: FilePart,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for (let at = from; at < sizeBytes; ) {
      if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
      const length = Math.min(chunkBytes, sizeBytes - at);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset + at);
      if (bytesRead === 0)
        throw new BangerError("corrupt", "a file of the image became shorter while it was read");
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await done();
  }
}
