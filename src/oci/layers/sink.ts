/** Where layers' files are put: first what is in them, as it comes; then, when layers have been merged, the names. */
import type { Metadata } from "./tree.ts";

export interface FileSink {
  write(chunk: Uint8Array): void;
  /** So many bytes of zeros. */
  hole(bytes: number): void;
  close(): void;
}

/** Takes the content of a layer's files, one after the other: what is begun as the n-th has the number n, from 0. */
export interface ContentSink {
  /** Exactly `sizeBytes`, more than 0, go into what it returns before the next is begun. */
  begin(sizeBytes: number): FileSink;
}

/** Content that a ContentSink has taken. */
export interface LayerContent {
  /** Which of the image's layers, from 0. */
  layer: number;
  number: number;
}

/** Each name once, directories before what is in them. Paths are bytes, without a slash at either end; the root has the empty one. */
export interface RootSink {
  addDirectory(path: Uint8Array, metadata: Metadata): void;
  /** Empty without content. */
  addFile(path: Uint8Array, metadata: Metadata, sizeBytes: number, content: LayerContent | undefined): void;
  addSymlink(path: Uint8Array, target: Uint8Array, metadata: Metadata): void;
  /** Another name for a file or symlink that was added. */
  addHardLink(path: Uint8Array, target: Uint8Array): void;
}
