/**
 * LZ4 legacy frames, as the kernel's build writes them: magic 0x184C2102, then blocks of a u32 compressed size and at
 * most 8 MiB of content each (lz4's doc/lz4_Frame_format.md, "Legacy frame"; doc/lz4_Block_format.md).
 */
import { BangerError } from "../base/base.ts";

const magic = 0x184c2102;
const maxBlockBytes = 8 * 1024 * 1024;

/** Decodes a frame of `sizeBytes` of content. Throws corrupt for anything that is not exactly one. */
export function decodeLz4Legacy(input: Uint8Array, sizeBytes: number): Buffer {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.length < 4 || view.getUint32(0, true) !== magic) throw damaged("no LZ4 legacy frame");
  const output = Buffer.alloc(sizeBytes);
  let total = 0;
  let at = 4;
  while (at + 4 <= input.length) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    if (size > input.length - at) throw damaged("a block is cut off");
    const written = decodeBlock(input.subarray(at, at + size), output.subarray(total, total + maxBlockBytes));
    // Else a file could have as many blocks as it has bytes.
    if (written === 0) throw damaged("a block without content");
    total += written;
    at += size;
  }
  if (total !== sizeBytes) throw damaged(`${total} bytes instead of ${sizeBytes}`);
  return output;
}

/** A block is a run of sequences: token, literals, then a copy of earlier output; the last has literals only. How much it is. */
function decodeBlock(input: Uint8Array, output: Buffer): number {
  let read = 0;
  let written = 0;
  const byte = (): number => {
    const value = input[read];
    if (value === undefined) throw damaged("a block ends in the middle");
    read += 1;
    return value;
  };
  const extended = (start: number): number => {
    let length = start;
    if (start !== 15) return length;
    for (let more = 255; more === 255; ) {
      more = byte();
      length += more;
    }
    return length;
  };
  while (read < input.length) {
    const token = byte();
    const literals = extended(token >> 4);
    if (literals > input.length - read || literals > output.length - written)
      throw damaged("literals out of bounds");
    output.set(input.subarray(read, read + literals), written);
    read += literals;
    written += literals;
    if (read === input.length) break;
    const offset = byte() | (byte() << 8);
    const length = extended(token & 15) + 4;
    if (offset === 0 || offset > written || length > output.length - written)
      throw damaged("a copy out of bounds");
    if (offset >= length) output.copyWithin(written, written - offset, written - offset + length);
    // Source and target overlap: the copy repeats a pattern, byte by byte.
    else
      for (let index = 0; index < length; index += 1)
        output[written + index] = output[written + index - offset] ?? 0;
    written += length;
  }
  return written;
}

function damaged(what: string): BangerError {
  return new BangerError("corrupt", `the kernel's payload is damaged: ${what}`);
}
