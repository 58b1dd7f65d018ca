/** Files of another user's, opened with that user's rights, and acted upon by descriptor: see native/shim/files.c. */
import { dlopen, FFIType } from "bun:ffi";
import { constants } from "node:fs";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import { check } from "./shim.ts";

const symbols = {
  banger_open_below: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u32, FFIType.u32],
    returns: FFIType.i32,
  },
  banger_open_as: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u32, FFIType.u32, FFIType.u32, FFIType.u32],
    returns: FFIType.i32,
  },
  banger_link: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  banger_read_only_mount: { args: [FFIType.i32], returns: FFIType.i32 },
  banger_mount_point: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  banger_mkdir: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  banger_device_node: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u32, FFIType.u32, FFIType.u32, FFIType.u32],
    returns: FFIType.i32,
  },
  banger_device_fd: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u32, FFIType.u32, FFIType.u32, FFIType.u32],
    returns: FFIType.i32,
  },
  banger_memory_file: { args: [FFIType.u32], returns: FFIType.i32 },
  banger_remove_tree: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

export interface UserId {
  uid: number;
  gid: number;
}

export interface BlockDevice {
  major: number;
  minor: number;
}

/** With the NUL that C wants. Throws for a name that has one in it. */
export function cString(text: string): Buffer {
  if (text.includes("\0")) throw new Error("a name with a NUL in it");
  return Buffer.from(`${text}\0`);
}

/** As this process: below `directory`, through no symlink, no magic link and no mount. The caller closes it. */
export function openBelow(directory: number, path: string, flags: number): number {
  // SAFETY: the string lives until the call returns; the shim keeps no pointer.
  return check(shim().banger_open_below(directory, cString(path), flags, 0), `opening ${path}`);
}

/**
 * As `user`, with no more rights than theirs, and otherwise like openBelow; a file that is made is theirs, mode 0600.
 * Never waits for a FIFO, a lease or a file system of the user's own. The caller closes it.
 */
export function openAs(user: UserId, directory: number, path: string, flags: number): number {
  // SAFETY: as above. The thread's fsuid is back to root's before the call returns.
  const value = shim().banger_open_as(
    directory,
    cString(path),
    flags,
    // openat2(2) refuses a mode where nothing is made.
    flags & constants.O_CREAT ? 0o600 : 0,
    user.uid,
    user.gid,
  );
  return check(value, `opening ${path} as user ${user.uid}`);
}

/** Gives the open file another name. Throws EEXIST, EXDEV. */
export function linkFile(file: number, directory: number, name: string): void {
  // SAFETY: as above.
  check(shim().banger_link(file, directory, cString(name)), `linking ${name}`);
}

/** The open file as a mount that nobody can write through, for spawnAs to attach. The caller closes it. */
export function readOnlyMount(file: number): number {
  // SAFETY: a number only.
  return check(shim().banger_read_only_mount(file), "open_tree");
}

/** An empty file of root's, for a mount. */
export function makeMountPoint(directory: number, name: string): void {
  // SAFETY: as above.
  check(shim().banger_mount_point(directory, cString(name)), `making the mount point ${name}`);
}

/** Makes a directory and opens it. The caller closes it. */
export function makeDirectory(parent: number, name: string, mode: number): number {
  // SAFETY: as above.
  return check(shim().banger_mkdir(parent, cString(name), mode), `making the directory ${name}`);
}

/** A node for a block device that belongs to `user`. Nobody else may be able to write to the directory. */
export function makeDeviceNode(directory: number, name: string, device: BlockDevice, user: UserId): void {
  const { major, minor } = device;
  // SAFETY: as above.
  const made = shim().banger_device_node(directory, cString(name), major, minor, user.uid, user.gid);
  check(made, `making the device ${name}`);
}

/** A block device that a process of `user`'s can open by /proc/self/fd, and no other. The caller closes it. */
export function openDeviceFor(user: UserId, directory: number, name: string, device: BlockDevice): number {
  const { major, minor } = device;
  // SAFETY: as above.
  const fd = shim().banger_device_fd(directory, cString(name), major, minor, user.uid, user.gid);
  return check(fd, `opening device ${major}:${minor}`);
}

/** Memory that can be written to like a file, up to `bytes` and no further. The caller closes it. */
export function memoryFile(bytes: number): number {
  // SAFETY: a number only.
  return check(shim().banger_memory_file(bytes), "memfd_create");
}

/**
 * Removes a directory of root's with what `uid` has in it: never through a symlink or a mount, and no directory of
 * anybody else's. Absent is success.
 */
export function removeTreeOf(uid: number, directory: number, name: string): void {
  // SAFETY: as above.
  check(shim().banger_remove_tree(directory, cString(name), uid), `removing ${name}`);
}
