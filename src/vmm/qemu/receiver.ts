/**
 * The machine that takes the memory of one that runs: of the same kind, never run, gone when the memory is a file. Only a
 * machine whose memory is a file from its start can be saved without copying it (save.ts), and most are not: their memory
 * is their own, or a private map of a template.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { MachineHandle, MachineSpec } from "../vmm.ts";
import { type Acceleration, qemuArguments } from "./arguments.ts";
import { spawnQemu, whenAnswering } from "./launch.ts";
import { driverName } from "./machines.ts";
import { prepareMemory } from "./memory.ts";

/** Starts it; its memory goes to the file, and it waits to be told where the rest comes from. */
export async function startReceiver(
  { restore: _restore, ...spec }: MachineSpec,
  memory: string,
  options: { acceleration: Acceleration; kill(machine: MachineHandle): Promise<void> },
  signal?: AbortSignal,
): Promise<{ machine: MachineHandle; failed: Promise<never> }> {
  const taking: MachineSpec = {
    ...spec,
    // It never reads or writes a disk; but its devices want one each.
    disks: await emptyDisks(spec),
    egress: "none",
    memory: { path: memory, use: "make" },
  };
  await prepareMemory(taking);
  // As if it were to be restored: no kernel, and the state comes later. -S: it does not run even then.
  const waiting = qemuArguments({ ...taking, restore: { state: "" } }, options.acceleration);
  const child = await spawnQemu(taking, [...waiting, "-S"]);
  const machine = { driver: driverName, process: child.identity, runDir: spec.runDir };
  try {
    await whenAnswering(taking, child, signal);
  } catch (error) {
    await options.kill(machine);
    throw error;
  }
  return { machine, failed: child.failed };
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
