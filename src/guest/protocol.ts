/** The agent protocol's numbers and fields: the same as native/agent/agent.h's. Description: docs/agent-protocol.md. */
import { BangerError } from "../base/base.ts";

export const protocolVersion = 1;
export const headerBytes = 12;
export const maxPayloadBytes = 65536;
/** Bytes under way per stream and channel before the receiver must grant more. */
export const windowBytes = 262144;
export const syncMagic = Buffer.from("BNGRSYN1");
export const ackMagic = Buffer.from("BNGRACK1");
export const nonceBytes = 16;

export const Frame = {
  open: 1,
  data: 2,
  eof: 3,
  window: 4,
  reset: 5,
  control: 6,
  ping: 7,
  hello: 16,
  out: 17,
  outEof: 18,
  grant: 19,
  result: 20,
  pong: 21,
  ready: 22,
  opened: 23,
  goodbye: 24,
} as const;

export const Operation = {
  exec: 1,
  unpack: 2,
  pack: 3,
  connect: 4,
  personalise: 5,
  ports: 6,
  stats: 7,
  powerOff: 8,
  clock: 9,
  releaseWorkDisk: 10,
  takeWorkDisk: 11,
} as const;

export const Control = { resize: 1, signal: 2 } as const;

/** Builds a request's payload. Throws bad_request when it would not fit into a frame. */
export class PayloadWriter {
  readonly #parts: Buffer[] = [];
  #size = 0;

  #add(part: Buffer): this {
    this.#size += part.length;
    if (this.#size > maxPayloadBytes) {
      throw new BangerError(
        "bad_request",
        `the request has more than ${maxPayloadBytes} bytes (arguments and environment)`,
      );
    }
    this.#parts.push(part);
    return this;
  }

  u8(value: number): this {
    return this.#add(Buffer.from([value & 0xff]));
  }
  u16(value: number): this {
    const part = Buffer.alloc(2);
    part.writeUInt16LE(value);
    return this.#add(part);
  }
  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.#add(part);
  }
  u64(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(value);
    return this.#add(part);
  }
  i64(value: bigint): this {
    return this.u64(BigInt.asUintN(64, value));
  }
  bytes(value: Uint8Array): this {
    this.u32(value.length);
    return this.#add(Buffer.from(value));
  }
  /** NUL cannot be part of an argument, a name or a path: refused here, where it is known which. */
  string(value: string): this {
    if (value.includes("\0"))
      throw new BangerError("bad_request", `${JSON.stringify(value)} contains a NUL byte`);
    return this.bytes(Buffer.from(value));
  }
  list(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.string(value);
    return this;
  }
  done(): Buffer {
    return Buffer.concat(this.#parts, this.#size);
  }
}

/** Reads what a guest sent. Throws guest_failed as soon as something is missing. */
export class PayloadReader {
  #at = 0;
  constructor(private readonly payload: Buffer) {}

  #take(size: number): Buffer {
    if (size > this.payload.length - this.#at)
      throw new BangerError("guest_failed", "the guest agent sent a message that is cut off");
    this.#at += size;
    return this.payload.subarray(this.#at - size, this.#at);
  }
  u8(): number {
    return this.#take(1).readUInt8();
  }
  u16(): number {
    return this.#take(2).readUInt16LE();
  }
  u32(): number {
    return this.#take(4).readUInt32LE();
  }
  /** As a number: counts of bytes and seconds stay far below 2^53, and what does not is the guest's lie. */
  u64(): number {
    return Math.min(Number(this.#take(8).readBigUInt64LE()), Number.MAX_SAFE_INTEGER);
  }
  string(): string {
    return this.#take(this.u32()).toString("utf8");
  }
  rest(): Buffer {
    return this.#take(this.payload.length - this.#at);
  }
}
