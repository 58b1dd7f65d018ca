/** The native shim, loaded when first needed: paths that need no kernel call of ours never pay for it. */
import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import { BangerError } from "../base/base.ts";

const symbols = {
  banger_peercred: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  banger_lock: { args: [FFIType.i32], returns: FFIType.i32 },
  banger_clone: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  // Offsets are far below 2^53: the fast type gives plain numbers.
  banger_seek_data: { args: [FFIType.i32, FFIType.i64_fast], returns: FFIType.i64_fast },
  banger_seek_hole: { args: [FFIType.i32, FFIType.i64_fast], returns: FFIType.i64_fast },
  banger_copy_range: {
    args: [FFIType.i32, FFIType.i64_fast, FFIType.i32, FFIType.i64_fast, FFIType.i64_fast],
    returns: FFIType.i64_fast,
  },
  banger_punch: { args: [FFIType.i32, FFIType.i64_fast, FFIType.i64_fast], returns: FFIType.i32 },
  banger_pidfd_open: { args: [FFIType.i32], returns: FFIType.i32 },
  banger_pidfd_signal: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  banger_tsc: { args: [FFIType.ptr], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

/** Errno names that callers tell apart; others keep their number. */
const names: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  5: "EIO",
  6: "ENXIO",
  11: "EAGAIN",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  24: "EMFILE",
  28: "ENOSPC",
  39: "ENOTEMPTY",
  40: "ELOOP",
  61: "ENODATA",
  95: "EOPNOTSUPP",
};

/** A value of the shim's that is no error; throws an error with the errno's name as its code. */
export function check(value: number, call: string): number {
  if (value >= 0) return value;
  throw Object.assign(new Error(`${call} failed: ${names[-value] ?? `errno ${-value}`}`), {
    code: names[-value] ?? `E${-value}`,
    errno: value,
  });
}

export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/** Who is at the other end of a connected unix socket, as the kernel knows it (SO_PEERCRED). */
export function peerCredentials(fd: number): PeerCredentials {
  const out = new Uint32Array(3);
  // SAFETY: `out` has room for the three values, stays alive across the call, and the shim keeps no pointer to it.
  const pointer: Pointer = ptr(out);
  check(shim().banger_peercred(fd, pointer), "getsockopt(SO_PEERCRED)");
  const [pid = 0, uid, gid] = out;
  if (uid === undefined || gid === undefined)
    throw new BangerError("internal", "peer credentials are incomplete");
  return { pid, uid, gid };
}

/** True when this open file now holds the exclusive lock; false when another one does. Ends with the descriptor. */
export function tryLock(fd: number): boolean {
  // SAFETY: a plain descriptor number; flock(2) touches no memory of ours.
  const value = shim().banger_lock(fd);
  if (value === -11) return false;
  check(value, "flock");
  return true;
}

/** Makes `destination` share all of `source`'s blocks. False where the file system cannot. */
export function cloneFile(destination: number, source: number): boolean {
  // SAFETY: two plain descriptor numbers, owned and closed by the caller.
  const value = shim().banger_clone(destination, source);
  // EOPNOTSUPP, EXDEV, EINVAL, ENOTTY: no reflinks here, or not between these two.
  if (value === -95 || value === -18 || value === -22 || value === -25) return false;
  check(value, "ioctl(FICLONE)");
  return true;
}

/** Where in an open file. */
export interface FilePlace {
  fd: number;
  at: number;
}

/** Copies up to so many bytes within the kernel, and returns how many; undefined where it cannot. 0: the source ends. */
export function copyInKernel(from: FilePlace, to: FilePlace, bytes: number): number | undefined {
  // SAFETY: numbers only; the descriptors are the caller's.
  const value = Number(shim().banger_copy_range(from.fd, from.at, to.fd, to.at, bytes));
  // EXDEV, EINVAL, ENOSYS, EOPNOTSUPP: not on this file system, or not between these two.
  if ([-18, -22, -38, -95].includes(value)) return undefined;
  return check(value, "copy_file_range");
}

/**
 * The next stretch of a file that is no hole, from `from` on; undefined when there is only hole up to its end. File
 * systems without holes report one stretch. Moves the descriptor's offset.
 */
export function nextData(fd: number, from: number): { start: number; end: number } | undefined {
  // SAFETY: numbers only; the descriptor is the caller's.
  const start = Number(shim().banger_seek_data(fd, from));
  if (start === -6) return undefined;
  check(start, "lseek(SEEK_DATA)");
  const end = Number(shim().banger_seek_hole(fd, start));
  return { start, end: check(end, "lseek(SEEK_HOLE)") };
}

/** Makes a hole of a part of a file, within its size. False where the file system has none. */
export function punchHole(fd: number, from: number, bytes: number): boolean {
  // SAFETY: numbers only; the descriptor is the caller's.
  const value = shim().banger_punch(fd, from, bytes);
  if (value === -95) return false;
  check(value, "fallocate(FALLOC_FL_PUNCH_HOLE)");
  return true;
}

/** A descriptor that means this very process; undefined when there is none of that number. The caller closes it. */
export function pidfdOpen(pid: number): number | undefined {
  // SAFETY: numbers only; the new descriptor is the caller's.
  const value = shim().banger_pidfd_open(pid);
  if (value === -3) return undefined;
  return check(value, "pidfd_open");
}

/** Signals the process that a pidfd means. False when it has ended. */
export function pidfdSignal(pidfd: number, signal: number): boolean {
  // SAFETY: numbers only.
  const value = shim().banger_pidfd_signal(pidfd, signal);
  if (value === -3) return false;
  check(value, "pidfd_send_signal");
  return true;
}

export interface TscSample {
  ticks: bigint;
  /** Of CLOCK_MONOTONIC_RAW. */
  ns: bigint;
}

/** The processor's time stamp counter, and the clock at the same moment. Throws where there is no such counter. */
export function readTsc(): TscSample {
  const out = new BigUint64Array(2);
  // SAFETY: `out` has room for the two values, stays alive across the call, and the shim keeps no pointer to it.
  check(shim().banger_tsc(ptr(out)), "rdtsc");
  const [ticks = 0n, ns = 0n] = out;
  return { ticks, ns };
}
