/** Where images come from, as the rest of the room sees it: a registry, or a file or directory on the disk. */
import type { BlobSource } from "../download/download.ts";
import type { Descriptor } from "./documents.ts";

export interface FetchedDocument {
  bytes: Buffer;
  /** What handed it out said that it is. */
  mediaType: string;
}

export interface ImageSource extends BlobSource {
  /** The reference in full, as it is recorded. */
  reference: string;
  /** What the reference means: an index or a manifest. Bounded by the limits; not yet checked otherwise. */
  root(signal: AbortSignal): Promise<FetchedDocument>;
  /** A document that another one names. */
  document(descriptor: Descriptor, signal: AbortSignal): Promise<FetchedDocument>;
  close(): Promise<void>;
}
