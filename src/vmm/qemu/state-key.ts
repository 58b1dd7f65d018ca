/** What a saved state of this driver depends on: QEMU reads a state only into the very devices that wrote it. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { findProgram } from "../find-program.ts";
import { hostCpu } from "../host-cpu.ts";
import type { MachineSpec } from "../vmm.ts";
import { type Acceleration, program, qemuArguments } from "./arguments.ts";

export function qemuStateKey(
  spec: MachineSpec,
  acceleration: Acceleration,
  version: string,
): Record<string, string> {
  const path = findProgram(program);
  const { size, mtimeMs } = path === undefined ? { size: 0, mtimeMs: 0 } : statSync(path);
  return {
    driver: "qemu",
    // Distributions mend a version without changing its number.
    program: `${version} ${size} ${mtimeMs}`,
    machine: createHash("sha256")
      .update(qemuArguments(neutral(spec), named(acceleration)).join("\0"))
      .digest("hex"),
    // TCG's processor is QEMU's own.
    host: acceleration.name === "tcg" ? "tcg" : `kvm ${hostCpu()}`,
  };
}

/** The machine without what differs between a saved one and its clones. */
function neutral({ disks, network, restore, ...spec }: MachineSpec): MachineSpec {
  return {
    ...spec,
    ...{ id: "", name: "", kernel: "", initramfs: "", egress: "none" },
    disks: disks.map((disk) => ({ ...disk, path: "" })),
    memory: { path: "", use: "make" },
    ...{ runDir: "/", consoleLog: "", vmmLog: "" },
  };
}

/**
 * A guest was told how fast the counter is; it must not be much faster where it goes on. To 1 %: each daemon measures it
 * anew, right to 0.1 %. (Next to a boundary of this rounding a host has two keys, and in time two templates.)
 */
function named(acceleration: Acceleration): Acceleration {
  if (acceleration.name === "kvm" || acceleration.tscKhz === undefined) return acceleration;
  const step = 10 ** Math.floor(Math.log10(acceleration.tscKhz) - 1);
  return { name: "tcg", tscKhz: Math.round(acceleration.tscKhz / step) * step };
}
