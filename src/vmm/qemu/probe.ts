/** Can QEMU run here, and with which acceleration? A device node proves nothing: a guest must really have run. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { atomicWrite, cleanEnvironment, run } from "../../sys/sys.ts";
import type { DriverProbe } from "../vmm.ts";
import { program } from "./arguments.ts";
import { bootTest } from "./boot-test.ts";
import { installHint } from "./launch.ts";

/** The first with every option that arguments.ts uses. */
const oldestMajor = 6;

/** Answers that cost a process each. They hold for one QEMU during one boot of the host. */
const Remembered = z.strictObject({
  bootId: z.string(),
  path: z.string(),
  sizeBytes: z.number(),
  modifiedMs: z.number(),
  version: z.string(),
  /** Whether a guest ran with KVM; absent when nobody has tried yet. */
  kvmRan: z.boolean().optional(),
});
type Remembered = z.infer<typeof Remembered>;

/** Never rejects for what the host lacks: that is its answer. */
export async function probeQemu(cache: string | undefined, signal?: AbortSignal): Promise<DriverProbe> {
  const path = findProgram();
  if (path === undefined) return unusable("", `${program} is not installed`);
  const known = await remembered(cache, path, signal);
  const major = Number.parseInt(known.version, 10);
  if (!(major >= oldestMajor)) {
    return unusable(
      known.version,
      `QEMU ${known.version} is too old; banger needs ${oldestMajor}.0 or later`,
    );
  }
  let obstacle = kvmObstacle();
  if (obstacle === undefined) {
    known.kvmRan ??= await bootTest("kvm", signal);
    if (!known.kvmRan) obstacle = "/dev/kvm is there, but a test guest did not run with it";
  }
  if (cache !== undefined) {
    await atomicWrite(cache, JSON.stringify(known), { mode: 0o600 }).catch(() => {
      // Only time is lost; a disk that is full or read-only is reported by whoever needs to write to it.
    });
  }
  const common = { driver: "qemu", usable: true, version: known.version } as const;
  return obstacle === undefined
    ? { ...common, acceleration: "kvm" }
    : { ...common, acceleration: "tcg", reason: `software emulation: ${obstacle}` };
}

function unusable(version: string, reason: string): DriverProbe {
  return { driver: "qemu", usable: false, acceleration: "none", version, reason, hint: installHint };
}

/** Where spawn would find it, with the PATH that host programs get. */
function findProgram(): string | undefined {
  for (const dir of (cleanEnvironment().PATH ?? "").split(":")) {
    const path = join(dir, program);
    try {
      accessSync(path, constants.X_OK);
      if (dir !== "" && statSync(path).isFile()) return path;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

async function remembered(
  cache: string | undefined,
  path: string,
  signal?: AbortSignal,
): Promise<Remembered> {
  const { size, mtimeMs } = statSync(path);
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const now = { bootId, path, sizeBytes: size, modifiedMs: mtimeMs };
  const old = cache === undefined ? undefined : await readCache(cache);
  const fits =
    old !== undefined && Object.entries(now).every(([key, value]) => old[key as keyof typeof now] === value);
  return fits ? old : { ...now, version: await qemuVersion(path, signal) };
}

async function readCache(cache: string): Promise<Remembered | undefined> {
  try {
    return Remembered.parse(JSON.parse(await readFile(cache, "utf8")));
  } catch {
    // Absent, damaged or of another version of banger: found out anew.
    return undefined;
  }
}

async function qemuVersion(path: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run(path, ["--version"], signal === undefined ? {} : { signal });
  return /version (\d+\.\d+\.\d+)/.exec(stdout.toString("utf8"))?.[1] ?? "unknown";
}

/** Why KVM is not even tried; undefined when it is worth a test. */
function kvmObstacle(): string | undefined {
  // Some hosts carry a paravirtual KVM that opens, makes a VM and hangs any kernel in it; their CPUs show no vmx or svm.
  if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8")))
    return "the CPU shows no virtualisation (vmx, svm)";
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT"
      ? "there is no /dev/kvm (is virtualisation on in the firmware, and the module kvm_intel or kvm_amd loaded?)"
      : "/dev/kvm may not be opened by this user (sudo usermod -aG kvm $USER, then log in again)";
  }
}
