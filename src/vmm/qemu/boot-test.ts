/** The smallest guest there is: proof that an accelerator runs one. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { removeTree, run } from "../../sys/sys.ts";
import { program } from "./arguments.ts";

/** With working KVM it takes 0.2 s; where KVM hangs this is what the first probe after a boot costs. */
const limitMs = 3000;

/**
 * Boots nine bytes of real-mode code from a boot sector, which write to QEMU's debug-exit port: QEMU's exit status then
 * is (value << 1) | 1. Anything else within the limit (a hang, an error, another status) is a no.
 */
export async function bootTest(accelerator: "kvm" | "tcg", signal?: AbortSignal): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), "banger-boot-test-"));
  try {
    const sector = Buffer.alloc(512);
    // mov dx, 0xf4; mov al, 0x21; out dx, al; hlt; jmp to the hlt
    Buffer.from([0xba, 0xf4, 0x00, 0xb0, 0x21, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
    sector.writeUInt16LE(0xaa55, 510);
    await writeFile(join(dir, "sector"), sector);
    const limit = AbortSignal.timeout(limitMs);
    const args = [
      ...["-accel", accelerator, "-cpu", accelerator === "kvm" ? "host" : "max", "-m", "16"],
      ...["-nodefaults", "-no-user-config", "-display", "none"],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
      // Relative to the working directory: no path that QEMU's option parser could misread.
      ...["-drive", "file=sector,format=raw,if=ide"],
    ];
    const { status } = await run(program, args, {
      cwd: dir,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return status === 0x43;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BangerError) return false;
    throw error;
  } finally {
    await removeTree(dir);
  }
}
