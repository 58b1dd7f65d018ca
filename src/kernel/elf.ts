/** What every driver asks of a kernel's file. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { BangerError } from "../base/base.ts";

/** ELF's magic number, 64-bit, little-endian (elf(5)). */
const ident = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
/** e_machine. */
const x86_64 = 62;
/** A note that says where to enter without a boot loader (Xen's ELF notes, XEN_ELFNOTE_PHYS32_ENTRY): QEMU needs it. */
const pvhNote = Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0]);
/** The same with a 64-bit address, as Linux writes it. */
const pvhNote64 = Buffer.from([4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0]);

/** The file's sha256; `shown` is what it is called in errors. Throws corrupt for what is no kernel that both drivers can start. */
export async function checkVmlinux(path: string, shown = path): Promise<string> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    const isElf = bytesRead === 64 && buffer.subarray(0, ident.length).equals(ident);
    if (!isElf || buffer.readUInt16LE(18) !== x86_64)
      throw new BangerError(
        "corrupt",
        `${shown} is no kernel for x86-64: a vmlinux or a bzImage is asked for`,
      );
  } finally {
    await file.close();
  }
  const hash = createHash("sha256");
  let hasPvh = false;
  let tail = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    if (!(chunk instanceof Buffer)) continue;
    hash.update(chunk);
    const seen = Buffer.concat([tail, chunk]);
    hasPvh ||= seen.includes(pvhNote) || seen.includes(pvhNote64);
    tail = seen.subarray(-pvhNote.length);
  }
  if (!hasPvh) {
    throw new BangerError("corrupt", `${shown} has no PVH entry, without which QEMU cannot start it`, {
      hint: "build it with CONFIG_PVH=y",
    });
  }
  return hash.digest("hex");
}
