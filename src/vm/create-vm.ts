/** Making a VM: from nothing, or around the machine that waits. */
import { stat } from "node:fs/promises";
import { toBangerError } from "../base/base.ts";
import type { VmRecord } from "../state/state.ts";
import type { CallOptions } from "./call-options.ts";
import { checkVcpus } from "./check-vcpus.ts";
import type { Lent } from "./live/live.ts";
import { type NewVm, newRecord } from "./new-vm.ts";
import { getVm } from "./rows.ts";
import { createSteps } from "./steps/create.ts";
import type { Spares } from "./warm/spares.ts";
import { plan } from "./warm/warm-start.ts";

/** Makes the row and the files; `reserved` is called when the name is taken. Leaves nothing when it fails. */
export async function createVm(
  { deps, run, spares }: Pick<Lent, "deps" | "run"> & { spares: Spares },
  input: NewVm,
  options: CallOptions,
  reserved: (vm: VmRecord) => void,
): Promise<VmRecord> {
  checkVcpus(deps.driver, input.spec.vcpu);
  const isCopied = await isWholeDisk(input.source.workSeed);
  const planned = await plan(deps, input);
  const { nat } = input.spec;
  const spare =
    input.willStart && "template" in planned
      ? await spares.take({ template: planned.template, nat })
      : undefined;
  const made = newRecord(input, deps.driver.name, deps.state.vms.list());
  const record = spare === undefined ? made : { ...made, id: spare.id, address: spare.address };
  const { id } = record;
  if (input.willStart) deps.runtimes.expectSession(id);
  // Onto a work disk that is a copy of another one the guest puts it itself, when it runs.
  if (input.workspace && !isCopied) deps.workspaces.expect(id);
  const unlock = await deps.runtimes.lock(id);
  try {
    await run(
      createSteps,
      id,
      {
        ...{ record, rootfs: input.source.rootfs, workSeed: input.source.workSeed ?? null },
        plan: planned,
        ...(input.bare === true ? { bare: true } : {}),
        ...(spare && { spare: { template: spare.template.key, rootDisk: spare.rootDisk } }),
      },
      {
        ...options,
        observe: (event) => {
          if (event.step === "reserve" && event.status === "done") reserved(record);
          options.observe?.(event);
        },
      },
    );
    if (spare !== undefined) deps.runtimes.setHalted(id, spare.halted);
    await spare?.taken();
    return getVm(deps.state, id);
  } catch (error) {
    await spare?.dismiss();
    deps.runtimes.detach(id, toBangerError(error));
    deps.runtimes.forget(id);
    deps.workspaces.forget(id);
    throw error;
  } finally {
    unlock();
  }
}

async function isWholeDisk(seed: string | undefined): Promise<boolean> {
  return seed !== undefined && (await stat(seed)).isFile();
}
