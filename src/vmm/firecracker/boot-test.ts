/** The smallest guest there is, in Firecracker: proof that KVM runs one. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { removeTree, run } from "../../sys/sys.ts";

/** With working KVM it takes 50 ms, nested in a busy emulated host 5 s; where KVM hangs this is what is waited, once. */
const limitMs = 15_000;

const loadAddress = 0x10_0000;
const codeOffset = 64 + 56;

/** mov al, 0xfe; out 0x64, al (the keyboard controller's reset line: Firecracker ends); hlt; jmp to the hlt. 32 or 64 bit. */
const code = [0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd];

/** An ELF file of one loadable segment. */
function kernel(): Buffer {
  const file = Buffer.alloc(codeOffset + code.length);
  // Elf64_Ehdr
  file.write("\x7fELF\x02\x01\x01", 0, "latin1");
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadAddress), 24); // entry
  file.writeBigUInt64LE(64n, 32); // the program header follows
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  // Elf64_Phdr
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  const rest = [codeOffset, loadAddress, loadAddress, code.length, code.length, 4];
  for (const [index, value] of rest.entries()) file.writeBigUInt64LE(BigInt(value), 72 + index * 8);
  Buffer.from(code).copy(file, codeOffset);
  return file;
}

/** Anything but Firecracker's orderly end within the limit (a hang, an error, another status) is a no. */
export async function bootTest(program: string, signal?: AbortSignal): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), "banger-boot-test-"));
  try {
    await writeFile(join(dir, "kernel"), kernel());
    await writeFile(
      join(dir, "machine.json"),
      JSON.stringify({
        "boot-source": { kernel_image_path: "kernel", boot_args: "" },
        drives: [],
        "machine-config": { vcpu_count: 1, mem_size_mib: 16 },
      }),
    );
    const limit = AbortSignal.timeout(limitMs);
    const { status } = await run(program, ["--no-api", "--config-file", "machine.json"], {
      cwd: dir,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return status === 0;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BangerError) return false;
    throw error;
  } finally {
    await removeTree(dir);
  }
}
