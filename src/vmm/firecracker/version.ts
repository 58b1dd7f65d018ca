/** Which versions of Firecracker are good, and for what. */

export const driverName = "firecracker";

export const oldest = "1.5.0";
/** The newest whose API banger has been checked against. */
export const newestTested = "1.14.1";

/** The first whose restored machines can be on a TAP of the host that is another than the saved one's. */
const firstToRestore = "1.12.0";

/**
 * From here on a guest that was paused takes no new connections after it (fixed after 1.16.1): the daemon would lose it with
 * its next restart.
 */
const firstToForget = "1.16.0";

/** From `firecracker --version` or `jailer --version`: its own line, and not what it logs when it ends. */
export function parseVersion(
  output: string,
  program: "Firecracker" | "Jailer" = "Firecracker",
): string | undefined {
  return new RegExp(`^${program} v(\\d+\\.\\d+\\.\\d+)`, "m").exec(output)?.[1];
}

/** Negative when `a` is older than `b`. Both are of the form 1.2.3. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export type VersionVerdict = "too old" | "good" | "newer than tested";

export function judgeVersion(version: string): VersionVerdict {
  if (compareVersions(version, oldest) < 0) return "too old";
  return compareVersions(version, newestTested) > 0 ? "newer than tested" : "good";
}

export function canRestore(version: string): boolean {
  return compareVersions(version, firstToRestore) >= 0;
}

/** Why machines of such a version are neither saved nor restored. */
export function whyNotRestored(version: string): string {
  return `Firecracker ${version} cannot put a restored VM on a TAP of its own, so VMs always boot; ${firstToRestore} or later can`;
}

export function canPause(version: string): boolean {
  return compareVersions(version, firstToForget) < 0;
}

/**
 * CVE-2026-1386: as root, these jailers follow links in the directory that they make jails in. Harmless where nobody but
 * root can put a link there.
 */
export function followsLinks(jailer: string): boolean {
  return compareVersions(jailer, "1.13.1") <= 0 || jailer === "1.14.0";
}
