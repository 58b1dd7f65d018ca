/**
 * Keeps a guest with NAT from the host's own services: QEMU's user-mode network would connect it to whatever listens on
 * the host, loopback included. What is done about it: native/egress.c, preloaded into QEMU.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import libraryPath from "../../../build/native/egress.so" with { type: "file" };
import { BangerError } from "../../base/base.ts";
import type { MachineSpec } from "../vmm.ts";
import { egressName, runFiles } from "./arguments.ts";

/** What QEMU's environment needs for it; makes the library's file. */
export async function guardEgress(spec: MachineSpec): Promise<Record<string, string>> {
  if (spec.egress === "none") return {};
  const library = await Bun.file(libraryPath).bytes();
  await writeFile(runFiles(spec.runDir).egress, library, { mode: 0o500 });
  // Relative to the working directory, which is runDir: ld.so splits this at colons and spaces, which a path may hold.
  return { LD_PRELOAD: `./${egressName}` };
}

/** ld.so goes on without a library that it cannot load (a run directory mounted noexec, a static QEMU): this does not. */
export function checkEgressGuard(spec: MachineSpec, pid: number): void {
  if (spec.egress === "none") return;
  if (readFileSync(`/proc/${pid}/maps`, "utf8").includes(`/${egressName}`)) return;
  throw new BangerError(
    "host_missing",
    "this QEMU cannot be kept from the host's own services, so it gets no network",
    {
      hint: "start the VM without --nat, or set XDG_RUNTIME_DIR to a directory that is not mounted noexec",
    },
  );
}
