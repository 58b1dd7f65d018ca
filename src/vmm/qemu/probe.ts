/** Can QEMU run here, and with which acceleration? A device node proves nothing: a guest must really have run. */
import { accessSync, constants, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { run } from "../../sys/sys.ts";
import type { DriverProbe } from "../vmm.ts";
import { program } from "./arguments.ts";

const installHint = "install it: sudo apt-get install --no-install-recommends qemu-system-x86";
const bootTestMs = 3000;

/** Never rejects for what the host lacks: that is its answer. */
export async function probeQemu(signal?: AbortSignal): Promise<DriverProbe> {
  const version = await qemuVersion(signal);
  if (version === undefined) {
    return {
      driver: "qemu",
      usable: false,
      acceleration: "none",
      version: "",
      reason: `${program} is not installed`,
      hint: installHint,
    };
  }
  const obstacle = await kvmObstacle(signal);
  if (obstacle === undefined) return { driver: "qemu", usable: true, acceleration: "kvm", version };
  return {
    driver: "qemu",
    usable: true,
    acceleration: "tcg",
    version,
    reason: `software emulation: ${obstacle}`,
  };
}

async function qemuVersion(signal?: AbortSignal): Promise<string | undefined> {
  try {
    const { stdout } = await run(program, ["--version"], signal === undefined ? {} : { signal });
    return /version (\d+\.\d+\.\d+)/.exec(stdout.toString("utf8"))?.[1] ?? "unknown";
  } catch (error) {
    if (error instanceof BangerError && error.code === "host_missing") return undefined;
    throw error;
  }
}

/** Why KVM cannot be used; undefined when a guest has run with it. */
async function kvmObstacle(signal?: AbortSignal): Promise<string | undefined> {
  // Some hosts carry a paravirtual KVM that opens, makes a VM and hangs any kernel in it; their CPUs show no vmx or svm.
  if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8")))
    return "the CPU shows no virtualisation (vmx, svm)";
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return "/dev/kvm is missing or may not be opened (sudo usermod -aG kvm $USER, then log in again)";
  }
  return (await bootTest(signal)) ? undefined : "/dev/kvm is there, but a test guest did not run with it";
}

/**
 * Boots eleven bytes of real-mode code from a boot sector, which write to QEMU's debug-exit port: QEMU's exit status then
 * is (value << 1) | 1. Anything else within the limit (a hang, an error, another status) is a no.
 */
async function bootTest(signal?: AbortSignal): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), "banger-kvm-"));
  try {
    const sector = Buffer.alloc(512);
    // mov dx, 0xf4; mov al, 0x21; out dx, al; hlt; jmp $-1
    Buffer.from([0xba, 0xf4, 0x00, 0xb0, 0x21, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
    sector.writeUInt16LE(0xaa55, 510);
    const image = join(dir, "sector.img");
    await writeFile(image, sector);
    const limit = AbortSignal.timeout(bootTestMs);
    const args = [
      "-accel",
      "kvm",
      "-cpu",
      "host",
      "-m",
      "16",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
    ];
    const device = [
      "-device",
      "isa-debug-exit,iobase=0xf4,iosize=1",
      "-drive",
      `file=${image},format=raw,if=ide`,
    ];
    const { status } = await run(program, [...args, ...device], {
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return status === 0x43;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BangerError) return false;
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
