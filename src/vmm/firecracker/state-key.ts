/** What a saved state of this driver depends on: Firecracker reads a state only of its own format, on a processor like the one before. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostCpu } from "../host-cpu.ts";
import type { MachineSpec } from "../vmm.ts";
import { machineRequests } from "./configure.ts";
import type { JailView } from "./jailer.ts";
import { driverName } from "./version.ts";

export async function firecrackerStateKey(
  spec: MachineSpec,
  program: { version: string; digest: string },
  jail: JailView,
): Promise<Record<string, string>> {
  const told = [machineRequests(neutral(spec), jail), jail.saved];
  return {
    driver: driverName,
    program: `${program.version} ${program.digest}`,
    machine: createHash("sha256").update(JSON.stringify(told)).digest("hex"),
    host: hostCpu(),
  };
}

/** In system mode every machine has a network device; which TAP and which MAC differs between a saved one and its clones. */
function neutral(spec: MachineSpec): MachineSpec {
  return { ...spec, egress: "none", network: { tap: "tap", mac: "02:00:00:00:00:00" } };
}

const digests = new Map<string, Promise<string>>();

/** sha256 of a program, read once for as long as it is the same file. */
export function digestOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeMs } = statSync(path);
  const identity = [path, dev, ino, size, mtimeMs].join(":");
  const known = digests.get(identity) ?? sha256(path);
  digests.set(identity, known);
  known.catch(() => digests.delete(identity));
  return known;
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
