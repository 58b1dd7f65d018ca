/**
 * What is in a layer (QEMU's docs/interop/qcow2.txt, version 3): as QEMU writes the ones that banger makes, neither packed,
 * nor encrypted, nor with snapshots of its own. Anything else is refused, rather than read wrongly.
 */
import { type FileHandle, open } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import type { DiskFile } from "./layer.ts";

export interface Qcow2Layer {
  file: FileHandle;
  virtualBytes: number;
  /** What shows where it has nothing. */
  base: DiskFile | undefined;
  /** Pieces of the disk that this layer has, in the disk's order; `at` undefined: zeros, whatever is below. In bytes. */
  pieces(): AsyncGenerator<{ offset: number; bytes: number; at: number | undefined }>;
  close(): Promise<void>;
}

const backingFormat = 0xe2792aca;
const offsetMask = 0x00fffffffffffe00n;
const packedFlag = 1n << 62n;
const zeroFlag = 1n;

/** Throws corrupt for what is no such layer. */
export async function openQcow2(path: string): Promise<Qcow2Layer> {
  const damaged = (why: string) => new BangerError("corrupt", `${path} is no layer of banger's: ${why}`);
  const file = await open(path, "r");
  try {
    const head = await readAt(file, 0, 4096);
    if (head.toString("latin1", 0, 4) !== "QFI\xfb" || head.readUInt32BE(4) !== 3) throw damaged("no qcow2");
    const clusterBits = head.readUInt32BE(20);
    if (clusterBits < 9 || clusterBits > 21) throw damaged(`clusters of 2^${clusterBits}`);
    // Of the incompatible features only the dirty bit says nothing about where data is.
    if (head.readUInt32BE(32) !== 0 || (head.readBigUInt64BE(72) & ~1n) !== 0n)
      throw damaged("unknown features");
    const clusterBytes = 2 ** clusterBits;
    const virtualBytes = Number(head.readBigUInt64BE(24));
    const l1 = await readAt(file, Number(head.readBigUInt64BE(40)), head.readUInt32BE(36) * 8);
    const perTable = clusterBytes / 8;

    async function* pieces() {
      for (let table = 0; table < l1.length / 8; table += 1) {
        const l2At = Number(l1.readBigUInt64BE(table * 8) & offsetMask);
        if (l2At === 0) continue;
        const l2 = await readAt(file, l2At, clusterBytes);
        for (let entry = 0; entry < perTable; entry += 1) {
          const value = l2.readBigUInt64BE(entry * 8);
          if (value === 0n) continue;
          if ((value & packedFlag) !== 0n) throw damaged("a packed cluster");
          const offset = (table * perTable + entry) * clusterBytes;
          const bytes = Math.min(clusterBytes, virtualBytes - offset);
          const at = Number(value & offsetMask);
          if ((value & zeroFlag) !== 0n) yield { offset, bytes, at: undefined };
          else if (at !== 0) yield { offset, bytes, at };
        }
      }
    }

    return { file, virtualBytes, base: baseOf(head), pieces, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function baseOf(head: Buffer): DiskFile | undefined {
  const nameAt = Number(head.readBigUInt64BE(8));
  if (nameAt === 0) return undefined;
  const path = head.toString("utf8", nameAt, nameAt + head.readUInt32BE(16));
  for (let at = head.readUInt32BE(100); at + 8 <= head.length; ) {
    const kind = head.readUInt32BE(at);
    const bytes = head.readUInt32BE(at + 4);
    if (kind === 0) break;
    if (kind === backingFormat)
      return { path, format: head.toString("latin1", at + 8, at + 8 + bytes) === "qcow2" ? "qcow2" : "raw" };
    at += 8 + Math.ceil(bytes / 8) * 8;
  }
  // banger always says it; guessing by content would be guessing by what a guest has written.
  throw new BangerError("corrupt", `the layer does not say what kind of disk ${path} is`);
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  await file.read(buffer, 0, bytes, position);
  return buffer;
}
