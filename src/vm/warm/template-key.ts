/** What a template must have in common with a VM that goes on from it. */
import type { VmSpec } from "../../base/base.ts";
import type { MachineSpec } from "../../vmm/vmm.ts";
import { type KeyRecord, templateName } from "../../warm/warm.ts";
import type { BootSource, VmDeps } from "../deps.ts";
import { templateRecipe } from "./template-guest.ts";

export interface TemplateKey {
  name: string;
  record: KeyRecord;
}

/** Undefined where the driver cannot save machines. */
export async function templateKey(
  { driver, rootDiskStrategy }: Pick<VmDeps, "driver" | "rootDiskStrategy">,
  source: BootSource,
  spec: VmSpec,
): Promise<TemplateKey | undefined> {
  if (driver.save === undefined || driver.stateKey === undefined) return undefined;
  const { vcpu, memoryMiB, diskBytes, overlayBytes } = spec;
  const record = {
    ...(await driver.stateKey(nominal(source, spec, rootDiskStrategy === "overlay" ? "qcow2" : "raw"))),
    image: source.image.id,
    kernel: source.kernel.id,
    // Its name is its content's digest, and the agent is in it.
    initramfs: source.initramfs,
    cmdline: source.cmdline.join(" "),
    // A layer names its base by path.
    rootfs: source.rootfs,
    workSeed: source.workSeed ?? "",
    rootDisk: rootDiskStrategy,
    ...{ vcpu: String(vcpu), memoryMiB: String(memoryMiB) },
    ...{ diskBytes: String(diskBytes), overlayBytes: String(overlayBytes) },
    recipe: templateRecipe,
  };
  return { name: templateName(record), record };
}

/** A machine of this kind, of nobody's. */
function nominal(source: BootSource, spec: VmSpec, format: "raw" | "qcow2"): MachineSpec {
  return {
    ...{ id: "", name: "template", vcpu: spec.vcpu, memoryMiB: spec.memoryMiB },
    ...{ kernel: source.vmlinux, initramfs: source.initramfs, cmdline: source.cmdline },
    disks: [
      { path: "", format, readOnly: false },
      { path: "", format: "raw", readOnly: false },
    ],
    egress: "none",
    ...{ runDir: "", consoleLog: "", vmmLog: "" },
  };
}
