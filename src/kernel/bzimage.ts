/**
 * Taking the ELF kernel out of a bzImage (the kernel's Documentation/x86/boot.rst): setup sectors, then the
 * protected-mode part, whose header says where the compressed payload is. Firecracker wants the ELF, and QEMU starts it
 * by PVH without running the decompressor.
 */
import { BangerError } from "../base/base.ts";
import { unpackedInMemory } from "../packed/packed.ts";
import { run } from "../sys/sys.ts";
import { decodeLz4Legacy } from "./lz4.ts";

export const maxKernelBytes: number = 512 * 1024 * 1024;

/** Compressions that distributions build kernels with, by the first bytes of what they make. */
const formats: readonly {
  magic: string;
  decode: (payload: Buffer, size: number) => Buffer | Promise<Buffer>;
}[] = [
  { magic: "02214c18", decode: decodeLz4Legacy },
  { magic: "1f8b", decode: (payload, size) => unpackedInMemory("gzip", payload, size) },
  { magic: "28b52ffd", decode: (payload, size) => unpackedInMemory("zstd", payload, size) },
  { magic: "fd377a58", decode: unxz },
];

export function isBzImage(bytes: Uint8Array): boolean {
  return bytes.length >= 0x260 && Buffer.from(bytes.subarray(0x202, 0x206)).toString("latin1") === "HdrS";
}

/** Throws corrupt for what is none; precondition for a compression that is not read here; host_missing where that takes xz. */
export async function extractVmlinux(bzImage: Uint8Array): Promise<Buffer> {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (!isBzImage(bzImage)) throw new BangerError("corrupt", "the kernel is no bzImage");
  const setupSectors = bzImage[0x1f1] === 0 ? 4 : (bzImage[0x1f1] ?? 4);
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const length = view.getUint32(0x24c, true);
  if (length < 8 || start + length > bzImage.length)
    throw new BangerError("corrupt", "the kernel's payload is cut off");
  // The payload's last four bytes are the decoded size, put there by the kernel's build.
  const size = view.getUint32(start + length - 4, true);
  if (size > maxKernelBytes) throw new BangerError("corrupt", `the kernel has ${size} bytes, more than any`);
  const payload = Buffer.from(bzImage.subarray(start, start + length - 4));
  const vmlinux = await decode(payload, size);
  if (vmlinux.length !== size)
    throw new BangerError("corrupt", `the kernel has ${vmlinux.length} bytes instead of ${size}`);
  if (vmlinux.subarray(0, 4).toString("latin1") !== "\x7fELF")
    throw new BangerError("corrupt", "the kernel is no ELF file");
  return vmlinux;
}

async function decode(payload: Buffer, size: number): Promise<Buffer> {
  const head = payload.subarray(0, 4).toString("hex");
  const format = formats.find(({ magic }) => head.startsWith(magic));
  if (format === undefined) {
    throw new BangerError("precondition", "the kernel is packed in a way that is not read here", {
      hint: "give the unpacked one, vmlinux; or one that is packed with gzip, xz, lz4 or zstd",
    });
  }
  try {
    return await format.decode(payload, size);
  } catch (error) {
    if (error instanceof BangerError && error.code !== "corrupt") throw error;
    throw new BangerError(
      "corrupt",
      `the kernel cannot be unpacked: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
}

/** By the program: no library reads it, and a file of the user's is all that needs it. */
async function unxz(payload: Buffer, size: number): Promise<Buffer> {
  const { status, stdout, stderr } = await run("xz", ["-dc", "--single-stream"], {
    input: payload,
    maxOutputBytes: size + 64 * 1024,
  });
  if (status !== 0) throw new BangerError("corrupt", `xz cannot unpack the kernel: ${stderr.trim()}`);
  return stdout;
}
