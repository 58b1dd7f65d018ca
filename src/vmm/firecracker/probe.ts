/** Can Firecracker run here? Only where a guest has really run, or where only the jail could say. */
import { run } from "../../sys/sys.ts";
import { findProgram } from "../find-program.ts";
import { kvmObstacle } from "../kvm.ts";
import { type ProbeCache, recall, remember } from "../probe-cache.ts";
import type { DriverProbe } from "../vmm.ts";
import { bootTest } from "./boot-test.ts";
import {
  canRestore,
  driverName,
  judgeVersion,
  newestTested,
  oldest,
  parseVersion,
  whyNotRestored,
} from "./version.ts";

export interface ProbeOptions {
  /** Names or absolute paths: the first that is there counts. */
  programs: readonly string[];
  /** In a jail Firecracker has a /dev/kvm of its own: this user's access to the host's one does not matter. */
  jailed: boolean;
  cache: ProbeCache | undefined;
}

/**
 * Never rejects for what the host lacks: that is its answer. /dev/vhost-vsock is not asked for: Firecracker's vsock is a
 * device model of its own in front of a unix socket, without vhost (docs/vsock.md of Firecracker).
 */
export async function probeFirecracker(
  { programs, jailed, cache }: ProbeOptions,
  signal?: AbortSignal,
): Promise<DriverProbe> {
  const path = programs.map(findProgram).find((found) => found !== undefined);
  const installHint = `install it: ${jailed ? "sudo " : ""}banger firecracker install`;
  if (path === undefined) return unusable("", "Firecracker is not installed", installHint);
  const known = await recall(cache, path, () => firecrackerVersion(path, signal));
  const { version } = known;
  if (version === "unknown") return unusable("", `${path} does not say which Firecracker it is`, installHint);
  const verdict = judgeVersion(version);
  if (verdict === "too old")
    return unusable(
      version,
      `Firecracker ${version} is too old; banger needs ${oldest} or later`,
      installHint,
    );
  const obstacle = kvmObstacle();
  if (obstacle !== undefined && !(jailed && obstacle.kind === "no access"))
    return unusable(version, `KVM cannot be used: ${obstacle.reason}`);
  if (obstacle === undefined) {
    known.kvmRan ??= await bootTest(path, signal);
    await remember(cache, known);
    if (!known.kvmRan) return unusable(version, "/dev/kvm is there, but a test guest did not run with it");
  }
  const reason =
    verdict === "newer than tested"
      ? `Firecracker ${version} is newer than ${newestTested}, the newest that banger was tested with`
      : jailed && !canRestore(version)
        ? whyNotRestored(version)
        : undefined;
  return {
    driver: driverName,
    usable: true,
    acceleration: "kvm",
    version,
    ...(reason === undefined ? {} : { reason }),
  };
}

function unusable(version: string, reason: string, hint?: string): DriverProbe {
  const answer = { driver: driverName, usable: false, acceleration: "none", version, reason } as const;
  return hint === undefined ? answer : { ...answer, hint };
}

async function firecrackerVersion(path: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run(path, ["--version"], signal === undefined ? {} : { signal });
  return parseVersion(stdout.toString("utf8")) ?? "unknown";
}
