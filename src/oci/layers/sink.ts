/**
 * Where a root file system is written to: each name once, directories before what is in them. Paths are bytes, without a
 * slash at either end; the root has the empty one. ext4/ext4.ts has one that is a disk.
 */
import type { Metadata } from "./tree.ts";

export interface FileSink {
  write(chunk: Uint8Array): void;
  /** So many bytes of zeros. */
  hole(bytes: number): void;
  close(): void;
}

export interface RootSink {
  addDirectory(path: Uint8Array, metadata: Metadata): void;
  /** Exactly `sizeBytes` go into what it returns, before anything else is added. */
  addFile(path: Uint8Array, metadata: Metadata, sizeBytes: number): FileSink;
  addSymlink(path: Uint8Array, target: Uint8Array, metadata: Metadata): void;
  /** Another name for a file or symlink that was added. */
  addHardLink(path: Uint8Array, target: Uint8Array): void;
}
