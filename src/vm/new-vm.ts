/** What a new VM's row begins with. */
import { randomBytes } from "node:crypto";
import type { VmName, VmSpec } from "../base/base.ts";
import { newVmId } from "../base/ids.ts";
import type { VmRecord } from "../state/state.ts";
import type { BootSource } from "./deps.ts";
import { generateName } from "./names.ts";

export interface NewVm {
  name: VmName | undefined;
  source: BootSource;
  spec: VmSpec;
  ephemeral: boolean;
  /** Said at once, so that callers may wait for the session of a VM that is not even made yet. */
  willStart: boolean;
  /** Its start waits for a workspace, and gives the guest its work disk with that on it. */
  workspace: boolean;
  /** It gets nothing of what file_sync brings. */
  bare?: boolean;
  /** It boots, even if there is a template. */
  cold: boolean;
}

/** The row of a VM that is not there yet; its name is generated, unlike those of `others`, when none is asked for. */
export function newRecord(input: NewVm, driver: string, others: readonly VmRecord[]): VmRecord {
  const now = new Date().toISOString();
  return {
    id: newVmId(),
    name: input.name ?? generateName(new Set(others.map((vm) => vm.name))),
    state: "created",
    image: input.source.image,
    kernel: input.source.kernel,
    spec: input.spec,
    driver,
    ephemeral: input.ephemeral,
    rootDisk: null,
    machine: null,
    address: null,
    machineId: randomBytes(16).toString("hex"),
    ...{ workspace: null, workDisk: null, layers: [], checkpoint: null },
    warm: null,
    start: null,
    lastError: null,
    createdAt: now,
    updatedAt: now,
    startedAt: null,
  };
}
