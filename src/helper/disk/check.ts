/**
 * The operation disk.check: e2fsck of what a guest has written, which is nothing that root may parse. It runs as the
 * owner, without capabilities or a way to them, on a descriptor of the device; what it prints is bounded.
 */

import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { BangerError, type VmId } from "../../base/base.ts";
import { memoryFile, openDeviceFor, signalProcess, spawnAs } from "../../sys/sys.ts";
import { holding } from "../descriptors.ts";
import { openJailBase } from "../machine/jail.ts";
import type { Operation } from "../operation.ts";
import { findProgram } from "../programs.ts";
import { requireSnapshot } from "./snapshot.ts";

const systemPrograms = ["/usr/sbin", "/sbin"];
/** A full check of 64 GiB takes well under a minute; a damaged one that would take longer is no disk to boot from. */
const limitMs = 600_000;
const sigkill = 9;
const outputBytes = 64 * 1024;

export const checkDisk: Operation<"disk.check", VmId> = {
  validate: ({ vm }) => vm,

  check: (vm) => {
    if (requireSnapshot(vm).openCount > 0)
      throw new BangerError("precondition", `the root disk of VM ${vm} is in use`);
  },

  do: (vm, site, { signal }) =>
    holding(async (hold) => {
      const program = findProgram("e2fsck", systemPrograms);
      const base = hold(openJailBase(site));
      const name = `.check-${randomBytes(8).toString("hex")}`;
      const device = hold(openDeviceFor(site.user, base, name, requireSnapshot(vm)));
      const output = hold(memoryFile(outputBytes));
      const args = ["-f", "-p", "/proc/self/fd/3"];
      const e2fsck = spawnAs(program, args, { stdout: output, stderr: output, fd3: device, user: site.user });
      const enough = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
      const kill = () => e2fsck.identity !== undefined && signalProcess(e2fsck.identity, sigkill);
      enough.addEventListener("abort", kill, { once: true });
      const status = await e2fsck.ended.finally(() => enough.removeEventListener("abort", kill));
      signal.throwIfAborted();
      return verdict(vm, status, textOf(output));
    }),
};

/** Exit status as in e2fsck(8): 1, corrected; 2, corrected, and the system should be rebooted if it was mounted. */
export function verdict(vm: VmId, status: number, said: string): { repaired: boolean } {
  if (status <= 3) return { repaired: status !== 0 };
  const lines = said.trim().split("\n");
  // What needs a decision is said last; what kept it from working at all, first.
  const words = (status < 8 ? lines.slice(-2) : lines.slice(0, 2)).join("; ");
  if ((status & 4) !== 0 && status < 8) {
    throw new BangerError("corrupt", `the root disk of VM ${vm} has errors that need a decision: ${words}`, {
      hint: "delete the VM, or repair it by hand with e2fsck",
    });
  }
  throw new BangerError("operation_failed", `e2fsck ended with status ${status}: ${words || "no message"}`);
}

function textOf(memory: number): string {
  const own = openSync(`/proc/self/fd/${memory}`, constants.O_RDONLY);
  try {
    const bytes = Buffer.alloc(outputBytes);
    const read = bytes.subarray(0, readSync(own, bytes, 0, bytes.length, 0));
    const end = read.indexOf(0);
    // What a guest has put into names is not for a terminal.
    return read.toString("latin1", 0, end < 0 ? read.length : end).replace(/[^\n -~]/g, "?");
  } finally {
    closeSync(own);
  }
}
