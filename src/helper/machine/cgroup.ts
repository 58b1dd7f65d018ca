/** The VM's control group (cgroup v2, admin-guide/cgroup-v2.rst): root's, so who is in it is beyond the owner's reach. */
import { existsSync, readdirSync, readFileSync, rmdirSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError, type VmId } from "../../base/base.ts";
import { identify, type ProcessIdentity, signalProcess } from "../../sys/sys.ts";
import { parentCgroup, vmOf } from "../names.ts";
import type { Places } from "../places.ts";

const sigkill = 9;
/** A killed process is gone within milliseconds, unless the kernel holds it (a dead network disk). */
const killMs = 30_000;

export function cgroupOf({ cgroups }: Places, vm: VmId): string {
  return join(cgroups, parentCgroup, vm);
}

/** VMs that have a control group, populated or not. */
export function groupedVms({ cgroups }: Places): VmId[] {
  return absentAs([], () =>
    readdirSync(join(cgroups, parentCgroup))
      .map(vmOf)
      .filter((vm) => vm !== undefined),
  );
}

/** Processes in the VM's group, their leaders only. */
export function members(places: Places, vm: VmId): ProcessIdentity[] {
  const found = pidsIn(places, vm).map(identify);
  // Read again: a number that ended and was given to another process between the two looks is not in it any more.
  const still = new Set(pidsIn(places, vm));
  return found.filter((process) => process !== undefined).filter(({ pid }) => still.has(pid));
}

function pidsIn(places: Places, vm: VmId): number[] {
  const text = absentAs("", () => readFileSync(join(cgroupOf(places, vm), "cgroup.procs"), "utf8"));
  // 0: a process of another pid namespace.
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The VM's Firecracker; undefined when it has none, or jailer is still on its way to it. */
export function findMachine(places: Places, vm: VmId): ProcessIdentity | undefined {
  return members(places, vm).find(({ pid }) => commOf(pid) === "firecracker");
}

function commOf(pid: number): string {
  return absentAs("", () => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
}

/** Ends all processes of the VM's group, and removes it. Absent is success. */
export async function endCgroup(places: Places, vm: VmId): Promise<void> {
  const group = cgroupOf(places, vm);
  if (!existsSync(group)) return;
  kill(places, vm);
  await emptied(group);
  absentAs(undefined, () => rmdirSync(group));
}

function kill(places: Places, vm: VmId): void {
  const file = join(cgroupOf(places, vm), "cgroup.kill");
  // Since Linux 5.14: all at once, also those that are being forked.
  if (existsSync(file)) absentAs(undefined, () => writeFileSync(file, "1"));
  else for (const process of members(places, vm)) signalProcess(process, sigkill);
}

/** cgroup.events is modified, for inotify too, when the last process has gone. */
async function emptied(group: string): Promise<void> {
  const events = join(group, "cgroup.events");
  const isEmpty = () => !absentAs("", () => readFileSync(events, "utf8")).includes("populated 1");
  if (isEmpty()) return;
  const empty = Promise.withResolvers<void>();
  const look = () => isEmpty() && empty.resolve();
  const watcher = watch(events, look);
  watcher.on("error", look);
  const late = setTimeout(
    () =>
      empty.reject(
        new BangerError("guest_failed", `processes in ${group} did not end when they were killed`),
      ),
    killMs,
  );
  try {
    look();
    await empty.promise;
  } finally {
    clearTimeout(late);
    watcher.close();
  }
}

/** ENODEV: the group was removed while its file was open. */
function absentAs<T>(value: T, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENODEV" || code === "ESRCH") return value;
    throw error;
  }
}
