/** Can QEMU run here, and with which acceleration? A device node proves nothing: a guest must really have run. */
import { run } from "../../sys/sys.ts";
import { findProgram } from "../find-program.ts";
import { kvmObstacle } from "../kvm.ts";
import { type ProbeCache, recall, remember } from "../probe-cache.ts";
import type { DriverProbe } from "../vmm.ts";
import { program } from "./arguments.ts";
import { bootTest } from "./boot-test.ts";
import { installHint } from "./launch.ts";

/** The first with every option that arguments.ts uses. */
const oldestMajor = 6;

/** Never rejects for what the host lacks: that is its answer. */
export async function probeQemu(cache: ProbeCache | undefined, signal?: AbortSignal): Promise<DriverProbe> {
  const path = findProgram(program);
  if (path === undefined) return unusable("", `${program} is not installed`);
  const known = await recall(cache, path, () => qemuVersion(path, signal));
  const major = Number.parseInt(known.version, 10);
  if (!(major >= oldestMajor)) {
    return unusable(
      known.version,
      `QEMU ${known.version} is too old; banger needs ${oldestMajor}.0 or later`,
    );
  }
  let obstacle = kvmObstacle()?.reason;
  if (obstacle === undefined) {
    known.kvmRan ??= await bootTest("kvm", signal);
    if (!known.kvmRan) obstacle = "/dev/kvm is there, but a test guest did not run with it";
  }
  await remember(cache, known);
  const common = { driver: "qemu", usable: true, version: known.version } as const;
  return obstacle === undefined
    ? { ...common, acceleration: "kvm" }
    : { ...common, acceleration: "tcg", reason: `software emulation: ${obstacle}` };
}

function unusable(version: string, reason: string): DriverProbe {
  return { driver: "qemu", usable: false, acceleration: "none", version, reason, hint: installHint };
}

async function qemuVersion(path: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run(path, ["--version"], signal === undefined ? {} : { signal });
  return /version (\d+\.\d+\.\d+)/.exec(stdout.toString("utf8"))?.[1] ?? "unknown";
}
