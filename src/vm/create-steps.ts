/** Making a VM: a row, then its files. Taken back whole when anything fails. */
import { mkdir } from "node:fs/promises";
import { z } from "zod";
import { createRootDisk, createWorkDisk } from "../disk/disk.ts";
import { type Step, steps } from "../pipeline/pipeline.ts";
import { VmRecord } from "../state/state.ts";
import { removeTree } from "../sys/sys.ts";
import type { VmContext } from "./deps.ts";
import { generateKey, writeHostKey } from "./identity.ts";
import { vmFiles } from "./layout.ts";
import { updateVm } from "./rows.ts";

const CreateInput = z.strictObject({
  record: VmRecord,
  rootfs: z.string(),
  workSeed: z.string().nullable(),
});
type CreateInput = z.infer<typeof CreateInput>;

const nothing = z.strictObject({});
const RootDiskOutput = VmRecord.pick({ rootDisk: true });

/** The name is taken from here on, and so is the address: chosen and written without a pause in between. */
const reserve: Step<VmContext, CreateInput, object> = {
  name: "reserve",
  output: nothing,
  do: async ({ deps }, { record }) => {
    const taken = deps.state.vms.list().flatMap(({ address }) => address ?? []);
    deps.state.vms.insert({ ...record, address: deps.devices.address(taken) });
    return {};
  },
  undo: async ({ id, deps }) => {
    deps.state.vms.remove(id);
    deps.runtimes.forget(id);
  },
};

const directory: Step<VmContext, CreateInput, object> = {
  name: "vm_directory",
  output: nothing,
  do: async ({ id, deps }) => {
    await mkdir(vmFiles(deps.paths, id).dir, { mode: 0o700 });
    return {};
  },
  undo: ({ id, deps }) => removeTree(vmFiles(deps.paths, id).dir),
};

/** The undo of the directory removes these files too; so the steps below have none of their own. */
const rootDisk: Step<VmContext, CreateInput, z.infer<typeof RootDiskOutput>> = {
  name: "root_disk",
  output: RootDiskOutput,
  do: async ({ id, deps }, { record, rootfs }) => ({
    rootDisk: await createRootDisk({
      base: rootfs,
      dir: vmFiles(deps.paths, id).dir,
      sizeBytes: record.spec.overlayBytes,
      strategy: deps.rootDiskStrategy,
      durable: !record.ephemeral,
    }),
  }),
};

const workDisk: Step<VmContext, CreateInput, object> = {
  name: "work_disk",
  output: nothing,
  do: async ({ id, deps }, { record, workSeed }, signal) => {
    await createWorkDisk({
      path: vmFiles(deps.paths, id).workDisk,
      sizeBytes: record.spec.diskBytes,
      templatesDir: deps.paths.workTemplates,
      durable: !record.ephemeral,
      ...(workSeed === null ? {} : { seedDir: workSeed }),
      signal,
    });
    return {};
  },
};

const identity: Step<VmContext, CreateInput, object> = {
  name: "identity",
  output: nothing,
  do: async ({ id, deps }, { record }) => {
    await writeHostKey(vmFiles(deps.paths, id), record.name, await generateKey(record.name));
    return {};
  },
};

const record: Step<VmContext, CreateInput & z.infer<typeof RootDiskOutput>, object> = {
  name: "record",
  output: nothing,
  do: async ({ id, deps }, { record, rootDisk }) => {
    const write = () => updateVm(deps.state, deps.paths, id, { rootDisk });
    // An ephemeral VM ends with the daemon at the latest: a power cut may take it.
    if (record.ephemeral) write();
    else deps.state.durably(write);
    return {};
  },
};

export const createSteps = steps<VmContext, CreateInput>("vm.create", "undo", CreateInput)
  .step(reserve)
  .step(directory)
  .step(rootDisk)
  .step(workDisk)
  .step(identity)
  .step(record);
