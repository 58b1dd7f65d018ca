/** What files that are neither regular nor directories keep in i_block. */
import { BangerError } from "../base/base.ts";

export type SpecialNode =
  | { type: "fifo" }
  | { type: "socket" }
  /** 0 to 4095, 0 to 1048575. */
  | { type: "char" | "block"; major: number; minor: number };

/** The target itself, when it is short enough ("Symbolic Links" in ifork.rst: less than 60 bytes). */
export function symlinkBlock(target: Uint8Array): Buffer | undefined {
  if (target.length >= 60) return undefined;
  const block = Buffer.alloc(60);
  block.set(target);
  return block;
}

/** The device's number in its short form where that suffices, else in its long one (ext4_iget, linux/kdev_t.h). */
export function deviceBlock(node: SpecialNode): Buffer {
  const block = Buffer.alloc(60);
  if (node.type === "fifo" || node.type === "socket") return block;
  const { major, minor } = node;
  const within = (value: number, most: number) => Number.isInteger(value) && value >= 0 && value <= most;
  if (!within(major, 0xfff) || !within(minor, 0xfffff))
    throw new BangerError("bad_request", `${major}:${minor} is no device`);
  if (major < 256 && minor < 256) block.writeUInt32LE(major * 256 + minor, 0);
  else block.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, 4);
  return block;
}
