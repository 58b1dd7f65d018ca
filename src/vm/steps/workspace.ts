/**
 * The step of a first start at which the guest gets its work disk with a workspace on it. The guest has mounted the empty
 * one, gives it back, and mounts it again: before it is told who it is, so nothing of it has been used.
 */
import { access, rename, unlink } from "node:fs/promises";
import { z } from "zod";
import { BangerError, toBangerError } from "../../base/base.ts";
import { replaceContent } from "../../disk/disk.ts";
import type { Step } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { orItsEnd } from "../machine-end.ts";
import { getVm } from "../rows.ts";

const Machine = z.strictObject({ machine: VmRecord.shape.machine.unwrap() });

export const workspace: Step<VmContext, z.infer<typeof Machine>, object> = {
  name: "workspace",
  output: z.strictObject({}),
  do: async (ctx, { machine }, signal) => {
    const { id, deps } = ctx;
    await orItsEnd(ctx, machine, deps.workspaces.arrived(id, signal));
    const { filledWorkDisk, workDisk } = vmFiles(deps.paths, id);
    // None is on its way, or a start that was given up has put it in place; one that never came to it has left it here.
    if (!(await exists(filledWorkDisk))) return {};
    const session = deps.runtimes.bootingSession(id);
    try {
      await orItsEnd(ctx, machine, session.releaseWorkDisk(signal));
    } catch (error) {
      throw new WorkDiskHeld(toBangerError(error));
    }
    await replaceContent(filledWorkDisk, workDisk, { durable: !getVm(deps.state, id).ephemeral });
    await orItsEnd(ctx, machine, session.takeWorkDisk(signal));
    await unlink(filledWorkDisk);
    return {};
  },
  // Half replaced or not yet begun: this one is whole, and the machine that had the other one ends.
  undo: async ({ id, deps }) => {
    const { filledWorkDisk, workDisk } = vmFiles(deps.paths, id);
    if (await exists(filledWorkDisk)) await rename(filledWorkDisk, workDisk);
  },
};

/** A guest that goes on does not give its work disk back. That is not the template's fault: a VM that boots does. */
export class WorkDiskHeld extends BangerError {
  constructor(cause: BangerError) {
    super(cause.code, cause.message, { ...(cause.hint === undefined ? {} : { hint: cause.hint }), cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
