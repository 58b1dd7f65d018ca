/** Images and kernels as the daemon needs them: by name for people, by digest for VMs. */
import type { ImageInfo, KernelInfo } from "../rpc/rpc.ts";
import type { BootSource } from "../vm/vm.ts";
import type { ProgressContext } from "./parts.ts";

export interface ImageShelf {
  /** Image, kernel and initramfs of a name, made or fetched when they are not there yet. */
  ensure(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** What an existing VM boots. Throws not_found or corrupt. */
  bootSource(imageId: string, kernelId: string): Promise<BootSource>;
  listImages(available: boolean): Promise<ImageInfo[]>;
  image(ref: string): Promise<ImageInfo>;
  deleteImage(id: string): Promise<void>;
  listKernels(available: boolean): Promise<KernelInfo[]>;
  kernel(ref: string): Promise<KernelInfo>;
  pullKernel(ref: string, force: boolean, ctx: ProgressContext): Promise<void>;
  removeKernel(id: string): Promise<void>;
  /** Removes what killed builds left. */
  cleanStaging(): Promise<void>;
}
