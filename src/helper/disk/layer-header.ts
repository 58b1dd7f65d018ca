/**
 * The header of a dm-snapshot's layer (drivers/md/dm-snap-persistent.c): magic, validity, version and sectors a chunk, of 32
 * bits each. The kernel believes the chunk's size that stands there, and allocates several of that size: up to a GiB each,
 * on nobody's account. The layer is the owner's file, so it is looked at before the kernel does.
 */
import { readSync } from "node:fs";

const headerBytes = 16;
/** "SnAp" */
const magic = 0x70416e53;
/** Where the chunk's size is. */
const chunkAt = 12;

/** Whether the kernel would take this layer with chunks of `sectors`: it has such, or is new. */
export function hasChunksOf(layer: number, sectors: number): boolean {
  // What a shorter file lacks reads as zeros, as in a new layer.
  const header = Buffer.alloc(headerBytes);
  readSync(layer, header, 0, headerBytes, 0);
  const found = header.readUInt32LE(0);
  return found === 0 || (found === magic && header.readUInt32LE(chunkAt) === sectors);
}
