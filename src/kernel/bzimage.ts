/**
 * Taking the ELF kernel out of a bzImage (the kernel's Documentation/x86/boot.rst): setup sectors, then the
 * protected-mode part, whose header says where the compressed payload is. Firecracker wants the ELF, and QEMU starts it
 * by PVH without running the decompressor.
 */
import { BangerError } from "../base/base.ts";
import { decodeLz4Legacy } from "./lz4.ts";

const maxKernelBytes = 512 * 1024 * 1024;

export function extractVmlinux(bzImage: Uint8Array): Buffer {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (bzImage.length < 0x260 || Buffer.from(bzImage.subarray(0x202, 0x206)).toString("latin1") !== "HdrS") {
    throw new BangerError("corrupt", "the kernel package's vmlinuz is no bzImage");
  }
  const setupSectors = bzImage[0x1f1] === 0 ? 4 : (bzImage[0x1f1] ?? 4);
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const length = view.getUint32(0x24c, true);
  if (length < 8 || start + length > bzImage.length)
    throw new BangerError("corrupt", "the kernel's payload is cut off");
  // The payload's last four bytes are the decoded size, put there by the kernel's build.
  const size = view.getUint32(start + length - 4, true);
  const vmlinux = decodeLz4Legacy(bzImage.subarray(start, start + length - 4), maxKernelBytes);
  if (vmlinux.length !== size)
    throw new BangerError("corrupt", `the kernel has ${vmlinux.length} bytes instead of ${size}`);
  if (vmlinux.subarray(0, 4).toString("latin1") !== "\x7fELF")
    throw new BangerError("corrupt", "the kernel is no ELF file");
  return vmlinux;
}
