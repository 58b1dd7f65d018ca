/** The device's name under /dev/mapper, which udev makes where it runs. Nothing of banger's needs it: it is for people. */
import { closeSync, constants, existsSync, lstatSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type MappedDevice, makeDeviceNode } from "../../sys/sys.ts";

/** Absent where udev is about to make it. */
export function ensureNode(path: string, device: MappedDevice): void {
  if (udevRuns() || existsSync(path)) return;
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    makeDeviceNode(directory, basename(path), device, { uid: 0, gid: 0 });
  } finally {
    closeSync(directory);
  }
}

/** Removes a node that we made. Absent is success. */
export function removeNode(path: string): void {
  if (udevRuns()) return;
  if (!readdirSync(dirname(path)).includes(basename(path))) return;
  if (lstatSync(path).isBlockDevice()) unlinkSync(path);
}

function udevRuns(): boolean {
  return existsSync("/run/udev/control");
}
