/** The file that is a machine's memory, and what it was saved to. */
import { type FileHandle, open, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import type { MachineHandle, MachineSpec } from "../vmm.ts";
import { memoryPathOf } from "./machines.ts";

const chunkBytes = 1024 * 1024;

/** Makes the memory's file, or sees that the saved ones are what they must be. */
export async function prepareMemory({ memory, restore, memoryMiB }: MachineSpec): Promise<void> {
  const sizeBytes = memoryMiB * 1024 * 1024;
  if (memory?.use === "make") {
    // QEMU would make it too, readable for everybody.
    const file = await open(memory.path, "wx", 0o600);
    await file.truncate(sizeBytes).finally(() => file.close());
  }
  if (memory?.use === "map") await expectFile(memory.path, sizeBytes);
  if (restore === undefined) return;
  if (memory?.use !== "map")
    throw new BangerError("precondition", "a machine is restored with the memory that was saved with it");
  await expectFile(restore.state);
}

/** A pipe would never end, and a guest whose memory's file is too short would end in the middle (SIGBUS). */
async function expectFile(path: string, sizeBytes?: number): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new BangerError("corrupt", `the saved file ${path} cannot be read`, { cause });
  });
  if (!found.isFile()) throw new BangerError("corrupt", `the saved ${path} is no regular file`);
  if (sizeBytes === undefined || found.size === sizeBytes) return;
  throw new BangerError(
    "corrupt",
    `the saved memory ${path} has ${found.size} bytes instead of ${sizeBytes}`,
  );
}

/** By the process's own descriptor: the file may have lost its name, or never had one. Undefined when it is none. */
export async function openMemory(machine: MachineHandle): Promise<FileHandle | undefined> {
  const path = memoryPathOf(machine);
  const descriptors = `/proc/${machine.process.pid}/fd`;
  for (const name of await readdir(descriptors)) {
    const target = await readlink(join(descriptors, name)).catch(() => "");
    const isIt =
      path === undefined
        ? target.startsWith("/memfd:memory-backend-memfd")
        : target === path || target === `${path} (deleted)`;
    if (isIt) return open(join(descriptors, name), "r");
  }
  return undefined;
}

/**
 * Brings all of it into the host's cache, holes too: the kernel makes their pages when they are first looked at, which would
 * take a second for 512 MiB while the guest stands still.
 */
export async function readMemory(machine: MachineHandle, signal: AbortSignal): Promise<void> {
  const file = await openMemory(machine);
  if (file === undefined) return;
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    while ((await file.read(buffer, 0, chunkBytes, null)).bytesRead > 0) signal.throwIfAborted();
  } finally {
    await file.close();
  }
}
