/**
 * Whether the emulated host's own kernel failed. QEMU's emulation of nested virtualisation now and then loses what a processor
 * of the host was doing ("scheduling while atomic" in KVM, QEMU 7.2); what a scenario saw after that says nothing of banger.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const failure =
  /\b(BUG: .*|Oops: .*|kernel BUG at .*|general protection fault.*|WARNING: CPU: \d+ PID: \d+ at kernel\/.*)/;

/** The first failure that the log collected last has; undefined when there is none. */
export function hostKernelFailure(systemDir) {
  const collected = readdirSync(systemDir).filter((name) => name.startsWith("failed-"));
  const last = collected.sort().at(-1);
  if (last === undefined) return undefined;
  try {
    return failure.exec(readFileSync(join(systemDir, last, "kernel.txt"), "utf8"))?.[1];
  } catch {
    // A host that could not be asked has no such file.
    return undefined;
  }
}
