/** The files of a machine that is to be saved, or was: looked at before QEMU maps them. */
import { open, stat } from "node:fs/promises";
import { BangerError } from "../../base/base.ts";
import type { MachineSpec } from "../vmm.ts";

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
