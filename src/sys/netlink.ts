/** netlink(7) messages: made, sent and taken apart here; the shim only carries them. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import shimPath from "../../build/native/shim.so" with { type: "file" };

const symbols = {
  banger_netlink: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

/** NETLINK_* of linux/netlink.h. */
export const protocols = { route: 0, netfilter: 12 } as const;
/** NLM_F_* of linux/netlink.h, each with NLM_F_REQUEST. */
export const flags = { change: 0x1 | 0x4, create: 0x1 | 0x4 | 0x200 | 0x400, dump: 0x1 | 0x300 } as const;

const names: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  22: "EINVAL",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  105: "ENOBUFS",
};

/** The code of an error of netlink's, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

export function failWith(errno: number, call: string): never {
  const code = names[errno] ?? `E${errno}`;
  throw Object.assign(new Error(`${call} failed: ${code}`), { code });
}

/** An attribute: length, type, payload, padded to 4 bytes. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(Math.ceil((4 + payload.length) / 4) * 4);
  out.writeUInt16LE(4 + payload.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(payload, 4);
  return out;
}

const nestedFlag = 0x8000;

export function nested(type: number, ...attributes: Buffer[]): Buffer {
  return attribute(type | nestedFlag, Buffer.concat(attributes));
}

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, "utf8");
}

/** Attributes by type, without the flag bits of nesting. What is malformed ends the list. */
export function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += Math.ceil(length / 4) * 4;
  }
  return found;
}

const headerBytes = 16;
const roomBytes = 256 * 1024;
const mostRoomBytes = 64 * 1024 * 1024;
let sequence = 0;

/**
 * Sends one request and returns the bodies of the answers. Synchronous: the kernel answers in microseconds. Throws with
 * an errno's name as `code`.
 */
export function netlink(protocol: number, type: number, flag: number, body: Buffer, call: string): Buffer[] {
  loaded ??= dlopen(shimPath, symbols);
  const request = Buffer.alloc(headerBytes + body.length);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(type, 4);
  request.writeUInt16LE(flag, 6);
  sequence += 1;
  request.writeUInt32LE(sequence, 8);
  request.set(body, headerBytes);
  let room = flag === flags.dump ? roomBytes : headerBytes * 256;
  for (let attempt = 0; ; attempt += 1) {
    const replies = Buffer.alloc(room);
    // SAFETY: both buffers live across the call, their sizes are given, and the shim keeps no pointer to either.
    const value = loaded.symbols.banger_netlink(
      protocol,
      ptr(request),
      request.length,
      ptr(replies),
      replies.length,
    );
    if (value >= 0) return bodies(replies.subarray(0, value));
    // ENOBUFS: more than there is room for. EINTR: the list changed while it was read.
    if (value === -105 && room < mostRoomBytes) room *= 4;
    else if (value !== -4 || attempt >= 20) failWith(-value, call);
  }
}

function bodies(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < headerBytes || at + length > bytes.length) break;
    found.push(bytes.subarray(at + headerBytes, at + length));
    at += Math.ceil(length / 4) * 4;
  }
  return found;
}
