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

/** What a parser may keep of bytes that are no frame yet: leftovers of an older connection before its acknowledgement. */
const maxLeftoverBytes = 16 * 1024 * 1024;

/**
 * Finds the acknowledgement of our preamble, then yields frames. Bytes before it belong to an older connection and are
 * skipped, up to a limit.
 */
export class FrameParser {
  #buffered: Buffer = Buffer.alloc(0);
  #skipped = 0;
  #synchronised = false;
  readonly #ack: Buffer;

  constructor(
    nonce: Buffer,
    private readonly onFrame: (header: FrameHeader, payload: Buffer) => void,
  ) {
    this.#ack = Buffer.concat([ackMagic, nonce.subarray(0, nonceBytes)]);
  }

  get synchronised(): boolean {
    return this.#synchronised;
  }

  /** Throws guest_failed when what came cannot be the protocol. Payloads are views: copy what must outlive the call. */
  push(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    if (!this.#synchronised && !this.#synchronise()) return;
    let at = 0;
    const bytes = this.#buffered;
    while (bytes.length - at >= headerBytes) {
      const length = bytes.readUInt32LE(at);
      if (length > maxPayloadBytes || bytes.readUInt16LE(at + 10) !== 0) {
        throw new BangerError("guest_failed", "the guest agent sent something that is no frame");
      }
      if (bytes.length - at < headerBytes + length) break;
      const header = {
        length,
        stream: bytes.readUInt32LE(at + 4),
        type: bytes.readUInt8(at + 8),
        flags: bytes.readUInt8(at + 9),
      };
      at += headerBytes + length;
      this.onFrame(header, bytes.subarray(at - length, at));
    }
    this.#buffered = bytes.subarray(at);
  }

  #synchronise(): boolean {
    const found = this.#buffered.indexOf(this.#ack);
    const keep =
      found >= 0
        ? this.#buffered.length - found - this.#ack.length
        : Math.min(this.#buffered.length, this.#ack.length - 1);
    this.#skipped += this.#buffered.length - keep;
    this.#buffered = this.#buffered.subarray(this.#buffered.length - keep);
    this.#synchronised = found >= 0;
    if (!this.#synchronised && this.#skipped > maxLeftoverBytes) {
      throw new BangerError("guest_failed", "the guest agent sends, but not the protocol");
    }
    return this.#synchronised;
  }
}
