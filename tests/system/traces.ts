/** What VMs have in an installed host, as the kernel shows it; and waiting for a host that is being disturbed. */
import type { Host } from "./host.ts";

const root = { user: "root" } as const;

/**
 * One line each for every process, device, jail, directory, control group, mount, TAP and rule of a machine; idle TAPs
 * belong to nobody. The path of a loop device's file changes when the service that attached it has ended, mounts and all.
 */
export const tracesOf = (machine: Host): Promise<string> =>
  machine.ok(
    `pgrep -ax 'firecracker|jailer' | cut -d' ' -f2-4; dmsetup ls | grep -v '^No devices' | cut -f1; losetup -n -O BACK-FILE | sed 's,^/banger/,/var/lib/banger/,' | sort
ls /var/lib/banger-jail/firecracker /run/banger/vms /sys/fs/cgroup/banger 2>/dev/null | grep -- -4 | sort
findmnt -rno TARGET | grep banger-jail
cat /sys/class/net/*/ifalias 2>/dev/null | grep '^banger:[0-9a-f]'
nft list ruleset 2>/dev/null | grep -E '172\\.16\\.0\\.[0-9]+ \\.|02:'; true`,
    root,
  );

/**
 * The above, and the directories of all VMs: what must be the same before and after a VM's whole life. The end of `vm run
 * --rm` may still be under way: the daemon has whoever asks after VMs wait for it.
 */
export const allOf = async (machine: Host): Promise<string> => {
  await settledVms(machine);
  return `${await tracesOf(machine)}${await machine.ok("ls /var/lib/banger/vms", root)}`;
};

export interface ShownVm {
  name: string;
  state: string;
  pid: number | null;
  lastError: string | null;
}

/** Both services are up, and the daemon has gone through what was left. One command: each takes a second here. */
export async function settledVms(machine: Host): Promise<ShownVm[]> {
  return JSON.parse(
    await machine.ok("until banger vm list --json 2> /dev/null; do sleep 0.2; done", { timeoutMs: 180_000 }),
  );
}
