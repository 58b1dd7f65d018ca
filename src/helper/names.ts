/**
 * Names of kernel objects and files, all derived from a VM's id or a digest, so that what a crash left is found again,
 * and what is not banger's is known from what is.
 */
import { createHash } from "node:crypto";
import type { ImageId, KernelId } from "../base/base.ts";
import { VmId } from "../base/ids.ts";
import type { Home, Saved } from "../rpc/rpc.ts";

/** For people; the UUID decides. */
export function mapperName(vm: VmId): string {
  return `${mapperPrefix}${vm.slice(0, 8)}`;
}

export const mapperPrefix = "fc-rootfs-";

export function mapperUuid(vm: VmId): string {
  return `BANGER-${vm}`;
}

export function vmOfMapperUuid(uuid: string): VmId | undefined {
  return uuid.startsWith("BANGER-") ? vmOf(uuid.slice("BANGER-".length)) : undefined;
}

/**
 * Minor numbers for the VM's root disk, in the order in which they are tried. All are of the upper half of the 2^20
 * that there are (MINORBITS of linux/kdev_t.h), which the kernel, counting from 0, gives nobody: the owner may keep a
 * link to the node that was in a jail, and it must never come to mean a disk that is not the owner's.
 */
export function mapperMinors(vm: VmId): number[] {
  const digest = createHash("sha256").update(vm).digest();
  return Array.from({ length: 8 }, (_, index) => firstMinor + (digest.readUInt32LE(index * 4) % firstMinor));
}

const firstMinor = 2 ** 19;

export function overlayTag(vm: VmId): string {
  return `banger:${vm}:cow`;
}

export function vmOfOverlayTag(tag: string): VmId | undefined {
  const id = /^banger:([0-9a-f-]{36}):cow$/.exec(tag)?.[1];
  return id === undefined ? undefined : vmOf(id);
}

export function baseTag(image: ImageId): string {
  return `${baseTagPrefix}${digestOf(image).slice(0, 16)}`;
}

export const baseTagPrefix = "banger:base:";

/** Files of the owner's, below the state directory. */
export function stateFiles(vm: VmId, home: Home = "vms") {
  const directory = `${home}/${vm}`;
  return {
    overlay: `${directory}/root.cow`,
    workDisk: `${directory}/work.ext4`,
    consoleLog: `${directory}/console.log`,
    vmmLog: `${directory}/vmm.log`,
  };
}

/** What a template or a checkpoint has beside its disks. */
export function savedFiles(saved: Saved) {
  const directory = "template" in saved ? `templates/${saved.template}` : `checkpoints/${saved.checkpoint}`;
  return { memory: `${directory}/memory`, state: `${directory}/state` };
}

export function imageFile(image: ImageId): string {
  return `images/${digestOf(image)}/rootfs.ext4`;
}

export function kernelDirectory(kernel: KernelId): string {
  return `kernels/${digestOf(kernel)}`;
}

/** Below the jail base, as jailer has it: named like the program in it. */
export const jailsDirectory = "firecracker";
/** Below the cgroup file system: jailer's --parent-cgroup. */
export const parentCgroup = "banger";

export function vmOf(text: string): VmId | undefined {
  const parsed = VmId.safeParse(text);
  return parsed.success ? parsed.data : undefined;
}

function digestOf(id: ImageId | KernelId): string {
  return id.slice("sha256:".length);
}
