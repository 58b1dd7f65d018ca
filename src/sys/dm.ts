/** The device-mapper, by ioctls on its control device: see native/shim/dm.c. */
import { dlopen, FFIType } from "bun:ffi";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import { BangerError } from "../base/base.ts";
import { cString } from "./owner-files.ts";
import { check } from "./shim.ts";

const symbols = {
  banger_dm_create: { args: [FFIType.ptr, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  banger_dm_load: {
    args: [FFIType.ptr, FFIType.u64_fast, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  banger_dm_resume: { args: [FFIType.ptr], returns: FFIType.i32 },
  banger_dm_remove: { args: [FFIType.ptr], returns: FFIType.i32 },
  banger_dm_info: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  banger_dm_uuid: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  banger_dm_status: {
    args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
  banger_dm_list: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

/** DM_NAME_LEN and DM_UUID_LEN of linux/dm-ioctl.h. */
const nameBytes = 128;
const uuidBytes = 129;
const textBytes = 4096;
const listBytes = 1024 * 1024;
/** ENXIO: the kernel has no such device. EOPNOTSUPP, the shim's: it has no device-mapper, and so no device. */
const isAbsent = (value: number) => value === -6 || value === -95;

export interface MappedDevice {
  name: string;
  major: number;
  minor: number;
  openCount: number;
  /** It has a live table: it can be read. */
  active: boolean;
}

/** An inactive device with a minor number of the caller's choice. False when name, UUID or minor are taken. */
export function createMapped(name: string, uuid: string, minor: number): boolean {
  // SAFETY: the strings live until the call returns; the shim keeps no pointer. So in all calls below.
  const value = shim().banger_dm_create(cString(name), cString(uuid), minor);
  if (value === -16) return false;
  if (value === -95) {
    throw new BangerError("host_missing", "the kernel has no device-mapper", {
      hint: "sudo modprobe dm_snapshot",
    });
  }
  check(value, `DM_DEV_CREATE of ${name}`);
  return true;
}

/** Loads a table of one target, and makes it live. */
export function startMapped(uuid: string, sectors: number, target: string, parameters: string): void {
  const id = cString(uuid);
  const loadedTable = shim().banger_dm_load(id, sectors, cString(target), cString(parameters));
  check(loadedTable, `DM_TABLE_LOAD of ${uuid}`);
  check(shim().banger_dm_resume(id), `DM_DEV_SUSPEND (resume) of ${uuid}`);
}

/** False when it is in use. Absent is success. */
export function removeMapped(uuid: string): boolean {
  const value = shim().banger_dm_remove(cString(uuid));
  if (value === -16) return false;
  if (!isAbsent(value)) check(value, `DM_DEV_REMOVE of ${uuid}`);
  return true;
}

/** The device of this UUID, if there is one. */
export function findMapped(uuid: string): MappedDevice | undefined {
  const out = new Uint32Array(4);
  const name = Buffer.alloc(nameBytes);
  const value = shim().banger_dm_info(cString(uuid), out, name);
  if (isAbsent(value)) return undefined;
  check(value, `DM_DEV_STATUS of ${uuid}`);
  const [major = 0, minor = 0, openCount = 0, active = 0] = out;
  return { name: text(name), major, minor, openCount, active: active === 1 };
}

/** The UUID of a device, perhaps empty; undefined when there is no device of that name. */
export function mappedUuid(name: string): string | undefined {
  const uuid = Buffer.alloc(uuidBytes);
  const value = shim().banger_dm_uuid(cString(name), uuid);
  if (isAbsent(value)) return undefined;
  check(value, `DM_DEV_STATUS of ${name}`);
  return text(uuid);
}

/** What the live table's only target says about itself, after its type: `snapshot 144/65536 16`. */
export function mappedStatus(uuid: string): string {
  return describe(uuid, 0);
}

/** The live table's only line, from the target's type on. */
export function mappedTable(uuid: string): string {
  return describe(uuid, 1);
}

function describe(uuid: string, table: 0 | 1): string {
  const out = Buffer.alloc(textBytes);
  const length = shim().banger_dm_status(cString(uuid), table, out, out.length);
  return out.toString("latin1", 0, check(length, `DM_TABLE_STATUS of ${uuid}`));
}

/** Names of all mapped devices. None where the kernel has no device-mapper. */
export function mappedNames(): string[] {
  const out = Buffer.alloc(listBytes);
  const length = shim().banger_dm_list(out, out.length);
  if (isAbsent(length)) return [];
  check(length, "DM_LIST_DEVICES");
  return out
    .toString("latin1", 0, length)
    .split("\0")
    .filter((name) => name !== "");
}

function text(bytes: Buffer): string {
  return bytes.toString("latin1", 0, bytes.indexOf(0));
}
