/** Loop devices, made and found by ioctls: see native/shim/loop.c. */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, existsSync, fstatSync, readdirSync } from "node:fs";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import { cString } from "./owner-files.ts";
import { check } from "./shim.ts";

const symbols = {
  banger_loop_attach: {
    args: [FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  banger_loop_open: { args: [FFIType.u32], returns: FFIType.i32 },
  banger_loop_status: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  banger_loop_clear: { args: [FFIType.i32], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

/** LOOP_MAJOR of linux/major.h. */
export const loopMajor = 7;
/** LO_NAME_SIZE of linux/loop.h. */
const tagBytes = 64;

export interface LoopDevice {
  number: number;
  /** Keeps the device: it clears itself when the last descriptor is closed. The caller closes it. */
  fd: number;
}

export interface LoopStatus {
  /** Of the file behind it, as stat(2) has them. */
  dev: bigint;
  ino: bigint;
  /** lo_file_name: whatever its maker said. */
  tag: string;
}

/** A new loop device over an open file. */
export function attachLoop(file: number, tag: string, options: { readOnly: boolean }): LoopDevice {
  const number = new Uint32Array(1);
  // SAFETY: the string and `number` live until the call returns; the shim keeps no pointer.
  const fd = shim().banger_loop_attach(file, options.readOnly ? 1 : 0, cString(tag), number);
  return { fd: check(fd, "LOOP_CONFIGURE"), number: number[0] ?? 0 };
}

function statusOf(fd: number): LoopStatus | undefined {
  const out = new BigUint64Array(3);
  const tag = Buffer.alloc(tagBytes);
  // SAFETY: both buffers have the room that the shim fills, and live until the call returns.
  const value = shim().banger_loop_status(fd, out, tag);
  // ENXIO: it has no file.
  if (value === -6) return undefined;
  check(value, "LOOP_GET_STATUS64");
  const [dev = 0n, ino = 0n] = out;
  return { dev, ino, tag: tag.toString("latin1", 0, tag.indexOf(0)) };
}

/** Opens a loop device of this number; undefined when there is none, or it has no file. The caller closes it. */
export function openLoop(number: number): (LoopDevice & { status: LoopStatus }) | undefined {
  // SAFETY: a number only.
  const fd = shim().banger_loop_open(number);
  // ENOENT, ENXIO, ENODEV: it has gone.
  if (fd === -2 || fd === -6 || fd === -19) return undefined;
  check(fd, `opening loop device ${number}`);
  try {
    const status = statusOf(fd);
    if (status !== undefined) return { fd, number, status };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Numbers of the loop devices that have a file. */
export function loopNumbers(): number[] {
  return readdirSync("/sys/block")
    .map((name) => /^loop([0-9]+)$/.exec(name)?.[1])
    .filter((number) => number !== undefined && existsSync(`/sys/block/loop${number}/loop`))
    .map(Number);
}

/** The first loop device whose status is `wanted`, kept open. The caller closes it. */
export function findLoop(wanted: (status: LoopStatus) => boolean): LoopDevice | undefined {
  for (const number of loopNumbers()) {
    const loop = openLoop(number);
    if (loop === undefined) continue;
    if (wanted(loop.status)) return { fd: loop.fd, number };
    closeSync(loop.fd);
  }
  return undefined;
}

/** Whether this is the loop device of that open file. */
export function isBackedBy(status: LoopStatus, file: number): boolean {
  const { dev, ino } = fstatSync(file, { bigint: true });
  return status.dev === dev && status.ino === ino;
}

/** Takes the file away from a loop device; while others have it open, that happens when they close it. */
export function clearLoop({ fd }: LoopDevice): void {
  // SAFETY: a number only.
  const value = shim().banger_loop_clear(fd);
  // ENXIO: it has none any more.
  if (value !== -6) check(value, "LOOP_CLR_FD");
}
