/** A kernel that comes ready-made, as a bundle; and one of the store as a bundle. */
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import {
  type KernelBundleManifest,
  kernelBundle,
  type PackedBundle,
  type PullRequest,
  packBundle,
  pullBundle,
  vmlinuxMember,
} from "../bundle/bundle.ts";
import { removeTree } from "../sys/sys.ts";
import { checkVmlinux } from "./elf.ts";
import { type KernelManifest, type StoredKernel, sealKernel, stageKernel } from "./store.ts";

export interface KernelPull extends Omit<PullRequest<KernelBundleManifest>, "shape"> {
  /** In the store. */
  name: string;
  /** Where it is fetched, as people are told. */
  from: string;
}

/** Into `kernelsDir`; gives the finished directory. A killed pull leaves a staging directory alone. Throws as pullBundle. */
export function pullKernel(pull: KernelPull, kernelsDir: string): Promise<string> {
  return stageKernel(kernelsDir, async (staging) => {
    const members = join(staging, "members");
    const { manifest } = await pullBundle({ ...pull, shape: kernelBundle }, async () => {
      await mkdir(members);
      return members;
    });
    for (const name of await readdir(members)) await rename(join(members, name), join(staging, name));
    await removeTree(members);
    const digest = await checkVmlinux(join(staging, vmlinuxMember));
    if (`sha256:${digest}` !== manifest.id)
      throw new BangerError("corrupt", "the bundle's vmlinux is not the one that its manifest says");
    const stored: KernelManifest = {
      id: manifest.id,
      name: pull.name,
      arch: manifest.arch,
      release: manifest.release,
      source: `${manifest.source}, from ${pull.from}`,
      createdAt: new Date().toISOString(),
    };
    await sealKernel(staging, stored, () => true);
    return digest;
  });
}

/** For others to pull. Throws as packBundle. */
export async function packKernel(
  { id, name, arch, release, source, directory }: StoredKernel,
  packing: { into: string; level: number; signal: AbortSignal },
): Promise<PackedBundle> {
  const names = await readdir(directory);
  return await packBundle({
    ...packing,
    manifest: { version: 1, kind: "kernel", id, name, arch, release, source },
    directory,
    members: [vmlinuxMember, ...names.filter((entry) => entry === "modules")],
  });
}
