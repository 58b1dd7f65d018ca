/**
 * A VM's root disk in the kernel: the image's file and the VM's layer as loop devices, and a dm-snapshot over both
 * (admin-guide/device-mapper/snapshot.rst): reads come from the layer where it has the chunk, else from the image; writes
 * go to the layer, which keeps its own table of chunks (persistent).
 */
import { closeSync, statSync } from "node:fs";
import { BangerError, type VmId } from "../../base/base.ts";
import {
  clearLoop,
  findMapped,
  isBackedBy,
  loopMajor,
  loopNumbers,
  type MappedDevice,
  mappedNames,
  mappedTable,
  mappedUuid,
  openLoop,
} from "../../sys/sys.ts";
import { mapperName, mapperPrefix, mapperUuid, overlayTag, vmOfMapperUuid } from "../names.ts";
import type { Places } from "../places.ts";

/** The VM's device, if its table is live. Throws precondition when there is none. */
export function requireSnapshot(vm: VmId): MappedDevice {
  const device = findMapped(mapperUuid(vm));
  if (device?.active) return device;
  throw new BangerError("precondition", `the root disk of VM ${vm} is not attached`);
}

/** Whether the VM's live device is made of these two open files. */
export function consistsOf(vm: VmId, base: number, overlay: number): boolean {
  const table = parseSnapshotTable(mappedTable(mapperUuid(vm)));
  return table !== undefined && isLoopOf(table.origin, base) && isLoopOf(table.cow, overlay);
}

function isLoopOf(number: number, file: number): boolean {
  const loop = openLoop(number);
  if (loop === undefined) return false;
  closeSync(loop.fd);
  return isBackedBy(loop.status, file);
}

/** `snapshot 7:0 7:1 P 8` as numbers of loop devices; undefined for any other table. */
export function parseSnapshotTable(table: string): { origin: number; cow: number } | undefined {
  const found = /^snapshot ([0-9]+):([0-9]+) ([0-9]+):([0-9]+) PO? [0-9]+( |$)/.exec(table);
  if (found === null || Number(found[1]) !== loopMajor || Number(found[3]) !== loopMajor) return undefined;
  return { origin: Number(found[2]), cow: Number(found[4]) };
}

/** Sectors a chunk of the VM's live device, as the kernel has it; undefined when there is none. */
export function chunkSectorsOf(vm: VmId): number | undefined {
  const found = / PO? ([0-9]+)( |$)/.exec(mappedTable(mapperUuid(vm)));
  return found === null ? undefined : Number(found[1]);
}

export interface SnapshotUse {
  usedSectors: number;
  totalSectors: number;
  overflowed: boolean;
}

/** `snapshot 144/65536 16`, or a word for a layer that is full or damaged: the kernel then fails every access. */
export function parseSnapshotStatus(status: string): SnapshotUse {
  const numbers = /^snapshot ([0-9]+)\/([0-9]+) [0-9]+$/.exec(status);
  if (numbers !== null) {
    return { usedSectors: Number(numbers[1]), totalSectors: Number(numbers[2]), overflowed: false };
  }
  if (/^snapshot (Invalid|Overflow|Merge failed)$/.test(status)) {
    return { usedSectors: 0, totalSectors: 0, overflowed: true };
  }
  throw new BangerError("operation_failed", `the device-mapper says of a snapshot: ${status.slice(0, 64)}`);
}

/** VMs that have a device of ours, live or not. A device that only has such a name is nobody's. */
export function mappedVms(): VmId[] {
  return mappedNames()
    .filter((name) => name.startsWith(mapperPrefix))
    .map((name) => {
      const vm = vmOfMapperUuid(mappedUuid(name) ?? "");
      return vm !== undefined && mapperName(vm) === name ? vm : undefined;
    })
    .filter((vm) => vm !== undefined);
}

export interface TaggedLoop {
  number: number;
  tag: string;
}

/**
 * Loop devices with a tag of ours over a file of the file system that the owner's state is on. Not by the file's path: a
 * helper has a mount namespace of its own (its service's), and what it has attached is at another path once it has ended.
 */
export function ownLoops({ state }: Places): TaggedLoop[] {
  const found: TaggedLoop[] = [];
  const { dev } = statSync(state, { bigint: true });
  for (const number of loopNumbers()) {
    const loop = openLoop(number);
    if (loop === undefined) continue;
    closeSync(loop.fd);
    if (loop.status.tag.startsWith("banger:") && loop.status.dev === dev)
      found.push({ number, tag: loop.status.tag });
  }
  return found;
}

/** Clears what has the VM's tag and no device over it any more. */
export function clearOverlayLoops(vm: VmId, places: Places): void {
  for (const { number, tag } of ownLoops(places)) {
    if (tag !== overlayTag(vm)) continue;
    const loop = openLoop(number);
    if (loop === undefined) continue;
    try {
      if (loop.status.tag === tag) clearLoop(loop);
    } finally {
      closeSync(loop.fd);
    }
  }
}
