/** What may be in a bundle of an image, and of a kernel. */
import { ImageBundleManifest, KernelBundleManifest } from "./manifest.ts";
import type { BundleShape } from "./unpack.ts";

export const rootfsMember = "rootfs.ext4";
export const workMember = "work.ext4";
export const vmlinuxMember = "vmlinux";
const maxKernelFileBytes = 512 * 1024 ** 2;

/** manifest.json and rootfs.ext4, and work.ext4 where there is a whole work disk; nothing else. */
export const imageBundle: BundleShape<ImageBundleManifest> = {
  manifest: ImageBundleManifest,
  maxBytesOf: (path, { rootfsBytes, workBytes }) =>
    path === rootfsMember ? rootfsBytes : path === workMember ? workBytes : undefined,
  required: ({ workBytes }) => [rootfsMember, ...(workBytes === undefined ? [] : [workMember])],
};

/** manifest.json, vmlinux, and the modules of its release, where there are some. */
export const kernelBundle: BundleShape<KernelBundleManifest> = {
  manifest: KernelBundleManifest,
  maxBytesOf: (path, { release }) =>
    path === vmlinuxMember || path.startsWith(`modules/${release}/`) ? maxKernelFileBytes : undefined,
  required: () => [vmlinuxMember],
};
