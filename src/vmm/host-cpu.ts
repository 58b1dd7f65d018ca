/** The host's processor as its kernel shows it: what a guest with KVM has seen of it must be there where it goes on. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export function hostCpu(): string {
  const first = readFileSync("/proc/cpuinfo", "utf8").split("\n\n")[0] ?? "";
  const lines = first
    .split("\n")
    .filter((line) => /^(vendor_id|cpu family|model|stepping|microcode|flags|bugs)/.test(line));
  const kernel = readFileSync("/proc/sys/kernel/osrelease", "utf8");
  return createHash("sha256")
    .update(lines.join("\n") + kernel)
    .digest("hex");
}
