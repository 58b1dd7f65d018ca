/**
 * The machine that takes the memory of one that runs: of the same kind, never run, gone when the memory is a file. Only a
 * machine whose memory is a file from its start can be saved without copying it (save.ts), and most are not: their memory
 * is their own, or a private map of a template.
 *
 * It takes it into a file without a name (memfd_create(2)), which is copied when the source runs again: the page of a file
 * on a disk costs 20 times as much, and the source is halted for all of them.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { copySparse } from "../../sys/sys.ts";
import type { MachineHandle, MachineSpec } from "../vmm.ts";
import { type Acceleration, namelessMemory, qemuArguments } from "./arguments.ts";
import { spawnQemu, whenAnswering } from "./launch.ts";
import { driverName } from "./machines.ts";
import { openMemory } from "./memory.ts";

/** It makes all pages of its memory first: 512 MiB take half a second, or ten times as long on a busy host. In ms. */
function receiverMs({ memoryMiB }: Pick<MachineSpec, "memoryMiB">): number {
  return 30_000 + memoryMiB * 30;
}

/** Starts it; it waits to be told where its memory comes from. */
export async function startReceiver(
  { restore: _restore, memory: _memory, ...spec }: MachineSpec,
  options: { acceleration: Acceleration; kill(machine: MachineHandle): Promise<void> },
  signal?: AbortSignal,
): Promise<{ machine: MachineHandle; failed: Promise<never> }> {
  const taking: MachineSpec = {
    ...spec,
    // It never reads or writes a disk; but its devices want one each.
    disks: await emptyDisks(spec),
    egress: "none",
  };
  // As if it were to be restored: no kernel, and the state comes later. -S: it does not run even then.
  const waiting = qemuArguments(
    { ...taking, restore: { state: "" } },
    options.acceleration,
    namelessMemory(taking),
  );
  const child = await spawnQemu(taking, [...waiting, "-S"]);
  const machine = { driver: driverName, process: child.identity, runDir: spec.runDir };
  try {
    await whenAnswering(taking, child, signal, receiverMs(spec));
  } catch (error) {
    await options.kill(machine);
    throw error;
  }
  return { machine, failed: child.failed };
}

/** Makes a file of what it has taken. */
export async function keepMemory(machine: MachineHandle, path: string): Promise<void> {
  const source = await openMemory(machine);
  if (source === undefined) throw new BangerError("guest_failed", "QEMU has no memory that could be kept");
  try {
    const target = await open(path, "wx", 0o600);
    try {
      await copySparse(source, target, (await source.stat()).size);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function emptyDisks({ disks, runDir }: MachineSpec): Promise<MachineSpec["disks"]> {
  return Promise.all(
    disks.map(async (_disk, index) => {
      const path = join(runDir, `empty-${index}`);
      const file = await open(path, "w", 0o600);
      await file.truncate(1024 * 1024).finally(() => file.close());
      return { path, format: "raw" as const, readOnly: false };
    }),
  );
}
