/** Where images come from, as the rest of the room sees it: a registry, or a file or directory on the disk. */
import type { Descriptor } from "./documents.ts";

export interface FetchedDocument {
  bytes: Buffer;
  /** What handed it out said that it is. */
  mediaType: string;
}

export interface BlobStream {
  /** The byte of the blob that the stream begins with; not after the one that was asked for. */
  start: number;
  chunks: AsyncIterable<Uint8Array>;
}

export interface ImageSource {
  /** The reference in full, as it is recorded. */
  reference: string;
  /** What the reference means: an index or a manifest. Bounded by the limits; not yet checked otherwise. */
  root(signal: AbortSignal): Promise<FetchedDocument>;
  /** A document that another one names. */
  document(descriptor: Descriptor, signal: AbortSignal): Promise<FetchedDocument>;
  /** A blob from byte `from` on, or from an earlier one. Throws Interrupted for what another attempt may mend. */
  blob(descriptor: Descriptor, from: number, signal: AbortSignal): Promise<BlobStream>;
  close(): Promise<void>;
}

/** A connection that could not be made or was lost, or a server that went silent: worth another attempt. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** What the server asked to be waited for. */
  readonly pauseMs: number;

  constructor(message: string, options: { cause?: unknown; pauseMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.pauseMs = options.pauseMs ?? 0;
  }
}
