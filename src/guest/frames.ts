/** Cutting a byte stream into frames: pure, bounded, and unforgiving. */
import { BangerError } from "../base/base.ts";
import { ackMagic, headerBytes, maxPayloadBytes, nonceBytes } from "./protocol.ts";

export interface FrameHeader {
  length: number;
  stream: number;
  type: number;
  flags: number;
}

export function encodeHeader(length: number, stream: number, type: number, flags = 0): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(stream, 4);
  header.writeUInt8(type, 8);
  header.writeUInt8(flags, 9);
  header.writeUInt16LE(0, 10);
  return header;
}

/** Throws guest_failed for what no agent of ours would send. */
function decodeHeader(bytes: Buffer, at: number): FrameHeader {
  const length = bytes.readUInt32LE(at);
  if (length > maxPayloadBytes || bytes.readUInt16LE(at + 10) !== 0) {
    throw new BangerError("guest_failed", "the guest agent sent something that is no frame");
  }
  return {
    length,
    stream: bytes.readUInt32LE(at + 4),
    type: bytes.readUInt8(at + 8),
    flags: bytes.readUInt8(at + 9),
  };
}

/** What is skipped in search of an acknowledgement: an older connection's leftovers are far fewer. */
const maxLeftoverBytes = 16 * 1024 * 1024;

/** Finds the acknowledgement of our preamble, then yields frames. */
export class FrameParser {
  #ack: Buffer | undefined;
  #synchronised = false;
  #skipped = 0;
  /** The beginning of a frame, or of an acknowledgement, whose rest has not come yet: less than one frame. */
  #parts: Buffer[] = [];
  #size = 0;
  /** How many bytes #parts must have before they say anything new. */
  #needed = headerBytes;

  constructor(private readonly onFrame: (header: FrameHeader, payload: Buffer) => void) {}

  /** Skips everything until the acknowledgement of this nonce. A later call replaces it. */
  expect(nonce: Buffer): void {
    this.#ack = Buffer.concat([ackMagic, nonce.subarray(0, nonceBytes)]);
    this.#synchronised = false;
    this.#skipped = 0;
    this.#keep(Buffer.alloc(0), headerBytes);
  }

  /** True from the acknowledgement on. */
  get synchronised(): boolean {
    return this.#synchronised;
  }

  /**
   * Throws guest_failed when what came cannot be the protocol. Payloads are views of the chunk wherever possible: most
   * bytes are never copied.
   */
  push(chunk: Buffer): void {
    let rest: Buffer | undefined = chunk;
    if (!this.#synchronised) rest = this.#ack === undefined ? undefined : this.#synchronise(this.#ack, chunk);
    if (rest === undefined) return;
    let at = this.#complete(rest);
    while (rest.length - at >= headerBytes) {
      const header = decodeHeader(rest, at);
      const end: number = at + headerBytes + header.length;
      if (rest.length < end) {
        this.#keep(rest.subarray(at), headerBytes + header.length);
        return;
      }
      this.onFrame(header, rest.subarray(at + headerBytes, end));
      at = end;
    }
    if (at < rest.length) this.#keep(rest.subarray(at), headerBytes);
  }

  #keep(part: Buffer, needed: number): void {
    this.#parts = part.length > 0 ? [part] : [];
    this.#size = part.length;
    this.#needed = needed;
  }

  /** Completes the frame that an earlier chunk began; returns how much of this chunk that took. */
  #complete(chunk: Buffer): number {
    let at = 0;
    while (this.#size > 0) {
      const part = chunk.subarray(at, at + this.#needed - this.#size);
      this.#parts.push(part);
      this.#size += part.length;
      at += part.length;
      if (this.#size < this.#needed) return at;
      const bytes = Buffer.concat(this.#parts, this.#size);
      const header = decodeHeader(bytes, 0);
      if (bytes.length < headerBytes + header.length) {
        this.#keep(bytes, headerBytes + header.length);
      } else {
        this.#keep(Buffer.alloc(0), headerBytes);
        this.onFrame(header, bytes.subarray(headerBytes));
      }
    }
    return at;
  }

  /** What follows the acknowledgement, once it is here. */
  #synchronise(ack: Buffer, chunk: Buffer): Buffer | undefined {
    const bytes = this.#size === 0 ? chunk : Buffer.concat([...this.#parts, chunk]);
    const found = bytes.indexOf(ack);
    if (found >= 0) {
      this.#synchronised = true;
      this.#keep(Buffer.alloc(0), headerBytes);
      return bytes.subarray(found + ack.length);
    }
    const kept = Math.min(bytes.length, ack.length - 1);
    this.#skipped += bytes.length - kept;
    if (this.#skipped > maxLeftoverBytes) {
      throw new BangerError("guest_failed", "the guest agent sends, but not the protocol");
    }
    this.#keep(bytes.subarray(bytes.length - kept), headerBytes);
    return undefined;
  }
}
