/**
 * An empty qcow2 image in front of a read-only base: all that a copy-on-write root disk is, before its first write.
 *
 * Layout (QEMU's docs/interop/qcow2.txt, version 3, all numbers big-endian), one 64 KiB cluster each: header with the
 * base's name, refcount table, first refcount block, then the L1 table, whose entries are zero: every read goes to the
 * base. Writing this ourselves takes a millisecond; starting qemu-img takes twenty.
 */
import { BangerError } from "../base/base.ts";

const clusterBits = 16;
const clusterBytes = 1 << clusterBits;
const headerBytes = 112;
const maxNameBytes = 1023;

/** The bytes of the image. `virtualBytes` is what the guest sees; a multiple of 512. */
export function emptyOverlay(
  base: string,
  virtualBytes: number,
  baseFormat: "raw" | "qcow2" = "raw",
): Buffer {
  const name = Buffer.from(base);
  if (name.length > maxNameBytes) {
    throw new BangerError(
      "bad_request",
      `the path of the base image has ${name.length} bytes; qcow2 allows ${maxNameBytes}`,
    );
  }
  if (virtualBytes % 512 !== 0)
    throw new BangerError("bad_request", "a disk's size is a multiple of 512 bytes");
  // One L2 table (one cluster of 8-byte entries) maps 8192 clusters: 512 MiB.
  const l1Entries = Math.ceil(virtualBytes / (clusterBytes * (clusterBytes / 8)));
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / clusterBytes));
  const clusters = 3 + l1Clusters;
  const image = Buffer.alloc(clusters * clusterBytes);

  image.write("QFI\xfb", 0, "latin1");
  image.writeUInt32BE(3, 4);
  // The base's format is said in an extension, so that QEMU never guesses it from what a guest could write there.
  const format = Buffer.from(baseFormat);
  image.writeUInt32BE(0xe2792aca, headerBytes);
  image.writeUInt32BE(format.length, headerBytes + 4);
  format.copy(image, headerBytes + 8);
  // Extensions are padded to 8 bytes; after the last one 8 zeros.
  const nameOffset = headerBytes + 8 + 8 + 8;
  image.writeBigUInt64BE(BigInt(nameOffset), 8);
  image.writeUInt32BE(name.length, 16);
  name.copy(image, nameOffset);
  image.writeUInt32BE(clusterBits, 20);
  image.writeBigUInt64BE(BigInt(virtualBytes), 24);
  image.writeUInt32BE(l1Entries, 36);
  image.writeBigUInt64BE(BigInt(3 * clusterBytes), 40);
  image.writeBigUInt64BE(BigInt(clusterBytes), 48);
  image.writeUInt32BE(1, 56);
  image.writeUInt32BE(4, 96);
  image.writeUInt32BE(headerBytes, 100);

  image.writeBigUInt64BE(BigInt(2 * clusterBytes), clusterBytes);
  // refcount_order 4: sixteen bits each. Every cluster written here is used once.
  for (let index = 0; index < clusters; index += 1) image.writeUInt16BE(1, 2 * clusterBytes + index * 2);
  return image;
}
