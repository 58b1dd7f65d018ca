/** The two steps by which a new VM gets what [[file_sync]] names: one of its making, one of its first start. */
import { createReadStream } from "node:fs";
import { access, rm } from "node:fs/promises";
import { z } from "zod";
import { toBangerError } from "../../base/base.ts";
import type { Step } from "../../pipeline/pipeline.ts";
import { VmRecord } from "../../state/state.ts";
import type { VmContext } from "../deps.ts";
import { FileSyncFailed, packFileSync } from "../file-sync.ts";
import { vmFiles } from "../layout.ts";
import { MachineEnded, orItsEnd } from "../machine-end.ts";

const nothing = z.strictObject({});

/** The undo of the directory removes the file too. */
export const packFiles: Step<VmContext, { record: VmRecord; bare?: boolean | undefined }, object> = {
  name: "file_sync",
  output: nothing,
  do: async ({ id, deps }, { record, bare }, signal) => {
    const { fileSync, log } = deps;
    if (fileSync === undefined || fileSync.entries.length === 0 || bare === true) return {};
    const durable = !record.ephemeral;
    await packFileSync(fileSync, vmFiles(deps.paths, id).fileSync, { log, durable, signal });
    return {};
  },
};

const Machine = z.strictObject({ machine: VmRecord.shape.machine.unwrap() });

/** After the workspace, with which the work disk is another one. What a start that failed has done is done again. */
export const unpackFiles: Step<VmContext, z.infer<typeof Machine>, object> = {
  name: "file_sync",
  output: nothing,
  do: async (ctx, { machine }, signal) => {
    const { id, deps } = ctx;
    const { fileSync } = vmFiles(deps.paths, id);
    if (!(await exists(fileSync))) return {};
    const session = deps.runtimes.bootingSession(id);
    try {
      await orItsEnd(ctx, machine, session.unpack("/root", createReadStream(fileSync), signal));
    } catch (error) {
      if (signal.aborted || error instanceof MachineEnded) throw error;
      throw new FileSyncFailed(toBangerError(error));
    }
    await rm(fileSync, { force: true });
    return {};
  },
};

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
