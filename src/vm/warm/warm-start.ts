/** Which template a VM begins with, and whether it still may go on from it. */
import { toBangerError, type VmId } from "../../base/base.ts";
import type { ColdReason, VmRecord } from "../../state/state.ts";
import type { Template } from "../../warm/warm.ts";
import type { VmContext, VmDeps } from "../deps.ts";
import { FileSyncFailed } from "../file-sync.ts";
import type { NewVm } from "../new-vm.ts";
import { WorkDiskHeld } from "../steps/workspace.ts";
import { WorkspaceFailed } from "../workspaces.ts";
import { templateKey } from "./template-key.ts";

/** The name of the template that a new VM may go on from, or why it is to boot. Never a reason to fail. */
export async function plan(
  deps: VmDeps,
  { source, spec, cold }: NewVm,
): Promise<{ template: string } | { cold: ColdReason }> {
  if (deps.driver.save === undefined) return { cold: "unsupported" };
  if (deps.templates === undefined) return { cold: "off" };
  if (cold) return { cold: "asked" };
  try {
    const key = await templateKey(deps, source, spec);
    return key === undefined ? { cold: "unsupported" } : { template: key.name };
  } catch (error) {
    deps.log.warn("what templates depend on is not known here", { error: String(error) });
    return { cold: "unsupported" };
  }
}

/** The template that this VM's disks are copies of, if it can go on from it as it is now. */
export async function restorable(
  deps: VmDeps,
  vm: VmRecord,
): Promise<{ template: Template } | { cold: ColdReason }> {
  if (vm.warm === null || deps.templates === undefined) return { cold: "off" };
  const source = await deps.bootSource(vm.image.id, vm.kernel.id);
  // Since it was made its size may have been set, the driver replaced, banger updated.
  const key = await templateKey(deps, source, vm.spec);
  if (key?.name !== vm.warm.key) return { cold: "changed" };
  const template = await deps.templates.take(vm.warm);
  return template === undefined ? { cold: "changed" } : { template };
}

export const damagedTemplate = "the template for this VM was damaged, and has been removed: starting cold";

/** Looks the template up that a plan names; the user hears of one that is damaged. */
export async function choose(
  { deps, warn }: VmContext,
  key: string,
): Promise<{ template: Template } | { cold: ColdReason }> {
  const found = (await deps.templates?.lookup(key)) ?? "none";
  if (found === "damaged") warn?.(damagedTemplate);
  return typeof found === "string" ? { cold: found } : { template: found };
}

/**
 * Starts a VM from its template, or from the guest that waited for it. When that fails it boots, from the same disks, which are whole; and the
 * template, which may be why, is removed.
 */
export async function goOnOrBoot(
  { id, deps, warn }: VmContext,
  start: (input: { id: VmId; templateFailed?: true }) => Promise<unknown>,
): Promise<void> {
  const before = deps.state.vms.get(id)?.warm ?? null;
  const waited = deps.runtimes.halted(id) !== undefined;
  try {
    await start({ id });
  } catch (error) {
    const tried = deps.state.vms.get(id)?.start?.how === "warm";
    const { code, message } = toBangerError(error);
    const hopeless =
      notTheTemplates.has(code) || error instanceof WorkspaceFailed || error instanceof FileSyncFailed;
    if ((before === null && !waited) || !tried || hopeless) throw error;
    deps.log.warn("going on failed", { vm: id, template: before?.key, error: message });
    if (before === null) warn?.(`the guest that waited for it does not go on (${message}): the VM boots`);
    else if (error instanceof WorkDiskHeld) warn?.(`${message}: the VM boots`);
    else {
      await deps.templates?.drop(before.key, before.id);
      warn?.(`going on from the template failed (${message}): it has been removed, and the VM boots`);
    }
    await start({ id, templateFailed: true });
  }
}

/** Failures of a start that booting would not help. */
const notTheTemplates: ReadonlySet<string> = new Set([
  "cancelled",
  "precondition",
  "no_space",
  "host_missing",
]);

/** For `vm show`. */
export const coldReasons: Readonly<Record<ColdReason, string>> = {
  asked: "a cold start was asked for",
  off: "templates are turned off",
  unsupported: "the driver, or this version of it, cannot go on from saved machines",
  none: "no template yet for this image and size",
  damaged: "the template was damaged, and is removed",
  changed: "the VM, its template or what both depend on has changed since",
  failed: "going on from the template failed",
  again: "only the first start of a VM can go on from a template",
};
