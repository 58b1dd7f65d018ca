/**
 * The kernel room: kernels that every driver can start, and the initramfs that goes with them.
 *
 * Owns the store of kernels, the ways into it (a recipe's building, a bundle, files of the user's), the unpacking of Debian's
 * bzImage, module closures, the cpio writer and the kernel's command line. Which kernels there are to be had, the catalog room
 * says. Promises: a kernel in the store is whole. Never starts anything and knows no VMs.
 */

export { type BuildContext, buildKernel } from "./build.ts";
export { bootCmdline } from "./cmdline.ts";
export { importKernel, type KernelImport } from "./import-kernel.ts";
export { storeInitramfs } from "./initramfs.ts";
export { moduleClosure } from "./modules.ts";
export { type KernelPull, packKernel, pullKernel } from "./pull-kernel.ts";
export { listKernels, readKernel, removeKernel, type StoredKernel, settleReplaced } from "./store.ts";
