/**
 * The command line of jailer (firecracker's docs/jailer.md). What it does with it: makes the control group and joins it,
 * copies firecracker into the jail, makes /dev there, gives the jail's directories to uid and gid, pivots into it,
 * becomes uid and gid, and executes firecracker: one process all the way, so the pid that was started is the machine's.
 */
import type { VmId } from "../../base/base.ts";
import type { UserId } from "../../sys/sys.ts";
import { parentCgroup } from "../names.ts";

export interface JailerRequest {
  vm: VmId;
  firecracker: string;
  user: UserId;
  jailBase: string;
  vcpu: number;
  memoryMiB: number;
  /** Nobody waits for it: its processors go to whatever other machine wants them. */
  background?: boolean;
}

export interface Limits {
  memoryMaxBytes: number;
  /** cpu.max: microseconds in each period, and the period. */
  cpuMax: string;
  pidsMax: number;
}

const MiB = 1024 * 1024;
const periodUs = 100_000;

/**
 * What a machine may take of the host: its guest's memory, and for Firecracker itself, page tables and the pages of disk
 * files that are on their way (reclaimed under pressure) 128 MiB and a sixty-fourth; one processor more than the guest
 * has, for disks and network; a thread for each processor, Firecracker's own, and some.
 */
export function limitsOf({ vcpu, memoryMiB }: Pick<JailerRequest, "vcpu" | "memoryMiB">): Limits {
  return {
    memoryMaxBytes: (memoryMiB + 128 + Math.ceil(memoryMiB / 64)) * MiB,
    cpuMax: `${(vcpu + 1) * periodUs} ${periodUs}`,
    pidsMax: vcpu + 32,
  };
}

export function jailerArguments(request: JailerRequest): string[] {
  const { vm, firecracker, user, jailBase } = request;
  const { memoryMaxBytes, cpuMax, pidsMax } = limitsOf(request);
  return [
    ...["--id", vm],
    ...["--exec-file", firecracker],
    ...["--uid", String(user.uid), "--gid", String(user.gid)],
    ...["--chroot-base-dir", jailBase],
    ...["--cgroup-version", "2", "--parent-cgroup", parentCgroup],
    ...["--cgroup", `memory.max=${memoryMaxBytes}`],
    ...["--cgroup", `cpu.max=${cpuMax}`],
    ...["--cgroup", `pids.max=${pidsMax}`],
    // Of 100 that others have; and niceness is nothing between control groups.
    ...(request.background ? ["--cgroup", "cpu.weight=1"] : []),
    // What it has to say at its start would be in the console's log.
    ...["--", "--level", "Warning"],
  ];
}
