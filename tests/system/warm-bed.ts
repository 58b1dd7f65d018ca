/** An installed host whose daemon makes templates, and what is asked of it. */
import type { Host } from "./host.ts";
import { allOf, settledVms } from "./traces.ts";

export const slow = { timeoutMs: 400_000 } as const;
export const tiny = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
export const templates = "/var/lib/banger/templates";
/** Where the daemon looks for a point to stand at. */
export const failpoint = "/var/lib/banger/failpoint";

const root = { user: "root" } as const;

export function warmBed(machine: Host) {
  const listed = async (): Promise<{ key: string; memoryMiB: number }[]> =>
    JSON.parse(await machine.ok("banger template list --json", slow));
  return {
    listed,
    shown: async (name: string) => JSON.parse(await machine.ok(`banger vm show --json ${name}`, slow)),
    /** One with this much memory; made when the VM before it has been left alone for some seconds. */
    templateOf: async (memoryMiB: number): Promise<string> => {
      for (;;) {
        const found = (await listed()).find((each) => each.memoryMiB === memoryMiB);
        if (found !== undefined) return found.key;
        await Bun.sleep(1000);
      }
    },
    /** Nothing but templates, and what they are made of, is where they are. */
    halfMade: () => machine.ok(`ls -A ${templates} | grep -vxE '[0-9a-f]{32}'; true`, root),
    /** Installs; returns what there is while nothing runs. */
    prepare: async (): Promise<string> => {
      await machine.giveStore({ warm: true });
      // One that waits would be among the traces.
      await machine.ok(
        `mkdir -p ~/.config/banger && printf '[warm]\nspare = false\n' > ~/.config/banger/config.toml`,
      );
      await machine.ok("sudo ./banger system install --owner dev", slow);
      await machine.ok(
        `mkdir -p /run/systemd/system/bangerd.service.d
printf '[Service]\\nEnvironment=BANGER_FAILPOINT=${failpoint}\\n' > /run/systemd/system/bangerd.service.d/failpoint.conf
printf '[Unit]\\nStartLimitIntervalSec=0\\n' > /run/systemd/system/bangerd.service.d/limit.conf
install -d -o dev -g dev ${failpoint}; systemctl daemon-reload && systemctl restart bangerd`,
        { ...root, ...slow },
      );
      await settledVms(machine);
      return allOf(machine);
    },
  };
}
