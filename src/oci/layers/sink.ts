/** Where layers' files are put: first what is in them, as it comes; then, when layers have been merged, the names. */
import type { FileSink } from "../../tar/tar.ts";
import type { Metadata } from "./tree.ts";

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

/**
 * Each name once, directories before what is in them. Names are strings of one character per byte; D is what stands for a
 * directory. ext4/ext4.ts has one that is a disk.
 */
export interface RootSink<D> {
  /** The root itself, first of all. */
  root(metadata: Metadata): D;
  addDirectory(parent: D, name: string, metadata: Metadata): D;
  /** Empty without content. */
  addFile(
    parent: D,
    name: string,
    metadata: Metadata,
    sizeBytes: number,
    content: LayerContent | undefined,
  ): void;
  /** The target is bytes. */
  addSymlink(parent: D, name: string, target: Uint8Array, metadata: Metadata): void;
  /** Another name for a file or symlink that was added. */
  addHardLink(parent: D, name: string, target: { parent: D; name: string }): void;
}
