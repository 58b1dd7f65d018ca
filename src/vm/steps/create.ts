/** Making a VM: a row, then its files. Taken back whole when anything fails. */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { copyDisk, createRootDisk, createWorkDisk } from "../../disk/disk.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { ColdReason, VmRecord } from "../../state/state.ts";
import { removeTree } from "../../sys/sys.ts";
import { takenAddresses } from "../addresses.ts";
import type { VmContext } from "../deps.ts";
import { generateKey } from "../host-key.ts";
import { writeHostKey } from "../identity.ts";
import { vmFiles } from "../layout.ts";
import { updateVm } from "../rows.ts";
import { choose } from "../warm/warm-start.ts";
import { packFiles } from "./file-sync.ts";

const CreateInput = z.strictObject({
  record: VmRecord,
  rootfs: z.string(),
  workSeed: z.string().nullable(),
  /** Nothing of the user's goes into it. */
  bare: z.boolean().optional(),
  /** A machine waits already, with these disks, in this VM's directory. */
  spare: VmRecord.pick({ rootDisk: true }).extend({ template: z.string() }).optional(),
  /** The name of the template that it may go on from, or why it boots. */
  plan: z.union([z.strictObject({ template: z.string() }), z.strictObject({ cold: ColdReason })]).optional(),
});
type CreateInput = z.infer<typeof CreateInput>;

const nothing = z.strictObject({});
/** Its own disks as they will be, and the template's, if they are to be copies of those. */
const Begun = VmRecord.pick({ warm: true, start: true }).extend({
  from: z
    .strictObject({
      root: z.strictObject({ path: z.string(), format: z.enum(["raw", "qcow2"]), strategy: z.string() }),
      work: z.string(),
    })
    .nullable(),
});
type Begun = z.infer<typeof Begun>;
const RootDiskOutput = VmRecord.pick({ rootDisk: true }).extend(Begun.shape);

/**
 * The name is taken from here on, and so is the address: chosen and written without a pause in between. A machine that was
 * made in advance has one already.
 */
export const reserve: Step<VmContext, Pick<CreateInput, "record">, object> = {
  name: "reserve",
  output: nothing,
  do: async ({ deps }, { record }) => {
    const address = record.address ?? deps.devices.address(takenAddresses(deps));
    deps.state.vms.insert({ ...record, address });
    return {};
  },
  undo: async ({ id, deps }) => {
    deps.state.vms.remove(id);
    deps.runtimes.forget(id);
  },
};

export const directory: Step<VmContext, Pick<CreateInput, "record" | "spare">, object> = {
  name: "vm_directory",
  output: nothing,
  do: async ({ id, deps }, { spare }) => {
    await mkdir(vmFiles(deps.paths, id).dir, { mode: 0o700, recursive: spare !== undefined });
    return {};
  },
  undo: ({ id, deps }) => removeTree(vmFiles(deps.paths, id).dir),
};

const template: Step<VmContext, CreateInput, Begun> = {
  name: "template",
  output: Begun,
  do: async (ctx, { spare, plan = { cold: "unsupported" } }) => {
    // Its disks have been written to since: if its machine gets lost, it boots from them.
    if (spare !== undefined)
      return { warm: null, start: { how: "warm", template: spare.template }, from: null };
    const chosen = "cold" in plan ? plan : await choose(ctx, plan.template);
    if ("cold" in chosen) return boots(chosen.cold);
    const { key, id, root, work } = chosen.template;
    return { warm: { key, id }, start: null, from: { root, work } };
  },
};

const boots = (why: ColdReason): Begun => ({ warm: null, start: { how: "cold", why }, from: null });

/** Copies of a template's disks, or new ones when it has gone since it was chosen. */
async function copied(copy: () => Promise<unknown>): Promise<boolean> {
  try {
    await copy();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/** The undo of the directory removes these files too; so the steps below have none of their own. */
const rootDisk: Step<VmContext, CreateInput & Begun, z.infer<typeof RootDiskOutput>> = {
  name: "root_disk",
  output: RootDiskOutput,
  do: async ({ id, deps }, { record, rootfs, spare, from, warm, start }) => {
    if (spare !== undefined) return { rootDisk: spare.rootDisk, from, warm, start };
    const { dir } = vmFiles(deps.paths, id);
    const durable = !record.ephemeral;
    if (from !== null) {
      const path = join(dir, basename(from.root.path));
      if (await copied(() => copyDisk(from.root.path, path, { durable })))
        return { rootDisk: { ...from.root, path }, from, warm, start };
    }
    const rootDisk = await createRootDisk({
      base: rootfs,
      dir,
      sizeBytes: record.spec.overlayBytes,
      strategy: deps.rootDiskStrategy,
      durable,
    });
    return { rootDisk, ...(from === null ? { from, warm, start } : boots("changed")) };
  },
};

const workDisk: Step<VmContext, CreateInput & Begun, Begun> = {
  name: "work_disk",
  output: Begun,
  do: async ({ id, deps }, { record, workSeed, spare, from, warm, start }, signal) => {
    if (spare !== undefined) return { from, warm, start };
    const { workDisk: path } = vmFiles(deps.paths, id);
    const durable = !record.ephemeral;
    if (from !== null && (await copied(() => copyDisk(from.work, path, { durable }))))
      return { from, warm, start };
    await createWorkDisk({
      path,
      sizeBytes: record.spec.diskBytes,
      templatesDir: deps.paths.workTemplates,
      durable,
      ...(workSeed === null ? {} : { seed: workSeed }),
      signal,
    });
    return from === null ? { from, warm, start } : boots("changed");
  },
};

export const identity: Step<VmContext, Pick<CreateInput, "record">, object> = {
  name: "identity",
  output: nothing,
  do: async ({ id, deps }, { record }) => {
    await writeHostKey(vmFiles(deps.paths, id), record.name, generateKey(record.name));
    return {};
  },
};

const record: Step<VmContext, CreateInput & z.infer<typeof RootDiskOutput>, object> = {
  name: "record",
  output: nothing,
  do: async ({ id, deps }, { rootDisk, warm, start }) => {
    updateVm(deps.state, deps.paths, id, { rootDisk, warm, start });
    return {};
  },
};

export const createSteps = steps<VmContext, CreateInput>("vm.create", "undo", CreateInput, {
  // An ephemeral VM ends with the daemon at the latest: a power cut may take it.
  lasts: ({ record }) => !record.ephemeral,
})
  .step(reserve)
  .step(directory)
  .step(template)
  .step(rootDisk)
  .step(workDisk)
  .step(packFiles)
  .step(identity)
  .step(record);
