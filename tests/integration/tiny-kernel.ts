/**
 * Kernels of a few bytes, for tests of a VMM rather than of a guest: an ELF file with the note that QEMU (and Firecracker)
 * look for when they boot by PVH, whose code runs in 32-bit protected mode (docs/misc/pvh.pandoc in Xen's tree).
 */
const loadAddress = 0x10_0000;
const noteOffset = 64 + 2 * 56;
const noteBytes = 12 + 4 + 8;
const codeOffset = 0x100;
/** XEN_ELFNOTE_PHYS32_ENTRY of Xen's public elfnote.h: the entry point's address. */
const phys32Entry = 18;

/** Where the counting kernel counts, in physical memory. */
export const counterAddress = 0x20_0000;

const programs = {
  // cli; hlt; jmp to the hlt
  halts: [0xfa, 0xf4, 0xeb, 0xfd],
  // Writes "power off" to ACPI's PM1a control register, where q35's firmware puts it: mov dx, 0x604; mov ax, 0x2000;
  // out dx, ax; then as above.
  "powers off": [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, 0xfa, 0xf4, 0xeb, 0xfd],
  // inc dword [counterAddress]; pause; jmp to the inc
  counts: [0xff, 0x05, 0x00, 0x00, 0x20, 0x00, 0xf3, 0x90, 0xeb, 0xf6],
} as const;

export function tinyKernel(what: keyof typeof programs): Buffer {
  const code = Buffer.from(programs[what]);
  const file = Buffer.alloc(codeOffset + code.length);
  // Elf64_Ehdr
  file.write("\x7fELF\x02\x01\x01", 0, "latin1");
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadAddress), 24);
  file.writeBigUInt64LE(64n, 32); // program headers follow
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  segment(file, 64, { type: 1, offset: codeOffset, address: loadAddress, size: code.length }); // PT_LOAD
  segment(file, 64 + 56, { type: 4, offset: noteOffset, address: 0, size: noteBytes }); // PT_NOTE
  file.writeUInt32LE(4, noteOffset);
  file.writeUInt32LE(8, noteOffset + 4);
  file.writeUInt32LE(phys32Entry, noteOffset + 8);
  file.write("Xen\0", noteOffset + 12, "latin1");
  file.writeBigUInt64LE(BigInt(loadAddress), noteOffset + 16);
  code.copy(file, codeOffset);
  return file;
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

function segment(file: Buffer, at: number, { type, offset, address, size }: Segment): void {
  file.writeUInt32LE(type, at);
  file.writeUInt32LE(5, at + 4); // readable, executable
  for (const [index, value] of [offset, address, address, size, size, 4].entries()) {
    file.writeBigUInt64LE(BigInt(value), at + 8 + index * 8);
  }
}
