/** How much of its host a repository may ask for. What a user gives by flags has no such bounds. */
import { availableParallelism, totalmem } from "node:os";
import { BangerError } from "../base/base.ts";
import type { Project } from "./settings.ts";

export interface Limits {
  vcpu: number;
  memoryBytes: number;
  diskBytes: number;
}

const GiB = 1024 ** 3;

/** All CPUs, half of the memory but never less than the least default, and a disk that a host of developers has room for. */
export function hostLimits(host = { cpus: availableParallelism(), memoryBytes: totalmem() }): Limits {
  const half = Math.floor(host.memoryBytes / 2 / 1024 ** 2) * 1024 ** 2;
  return { vcpu: Math.min(64, host.cpus), memoryBytes: Math.max(GiB, half), diskBytes: 64 * GiB };
}

/** Throws bad_config for sizes above the limits, but for those that the user has `given`, which take the file's place. */
export function refuseExcess(
  { settings, placeOf }: Project,
  given: { vcpu: boolean; memory: boolean; diskSize: boolean },
  limits: Limits,
): void {
  const asked = [
    { key: "vcpu", flag: "--vcpu", value: settings.vcpu, most: limits.vcpu, given: given.vcpu },
    {
      key: "memory",
      flag: "--memory",
      value: settings.memoryBytes,
      most: limits.memoryBytes,
      given: given.memory,
    },
    {
      key: "disk",
      flag: "--disk-size",
      value: settings.diskBytes,
      most: limits.diskBytes,
      given: given.diskSize,
    },
  ];
  const excess = asked.flatMap(({ given, value, most, ...rest }) =>
    given || value === undefined || value <= most ? [] : [{ ...rest, value, most }],
  );
  if (excess.length === 0) return;
  const problems = excess.map(
    ({ key, value, most }) =>
      `${placeOf(key)}: ${key}: ${inWords(key, value)} is more than a repository gets on this host (${inWords(key, most)})`,
  );
  throw new BangerError("bad_config", problems.join("\n"), {
    hint: `give it yourself: ${excess.map(({ key, flag, value }) => `${flag} ${inWords(key, value)}`).join(" ")}`,
    details: { problems },
  });
}

/** As flags take it: whole numbers only. */
function inWords(key: string, value: number): string {
  if (key === "vcpu") return String(value);
  return value % GiB === 0 ? `${value / GiB}G` : `${Math.ceil(value / 1024 ** 2)}M`;
}
