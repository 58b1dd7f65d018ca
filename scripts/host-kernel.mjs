/**
 * Whether the emulated host's own kernel failed, as QEMU's emulation of nested virtualisation has made it do (see
 * tests/system/host/machine.ts); what a scenario saw after that says nothing of banger.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const failure =
  /\b(BUG: .*|Oops: .*|Kernel panic.*|kernel BUG at .*|general protection fault.*|WARNING: CPU: \d+ PID: \d+ at kernel\/.*)/;

/** The first failure that was collected last; undefined when there is none. */
export function hostKernelFailure(systemDir) {
  const last = readdirSync(systemDir)
    .filter((name) => name.startsWith("failed-"))
    .sort()
    .at(-1);
  if (last === undefined) return undefined;
  // The console has what a kernel said that nobody could ask any more, or that has booted again since.
  const [silent, kernel, console] = ["silent.txt", "kernel.txt", "console.log"].map((name) =>
    text(join(systemDir, last, name)),
  );
  return failure.exec(kernel)?.[1] ?? failure.exec(console)?.[1] ?? (silent.trim() || undefined);
}

/** Empty for what was not collected. */
function text(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
