/** /dev/kvm, and who may open it. Whether a guest really runs with it is the drivers' probe's to say. */
import { readFile, stat } from "node:fs/promises";
import { type KvmObstacle, kvmObstacle } from "../../vmm/vmm.ts";
import type { Place } from "../place.ts";

export interface KvmFacts {
  obstacle: KvmObstacle | undefined;
  /** Undefined when there is none. `mode` as in ls: crw-rw----. */
  device: { mode: string; group: string } | undefined;
  /** Whether this process is in the device's group; `listed`: whether its user would be after the next login. */
  inGroup: boolean;
  listed: boolean;
}

export async function lookAtKvm({ user }: Place): Promise<KvmFacts> {
  const found = await stat("/dev/kvm").catch(() => undefined);
  const group = found === undefined ? undefined : await groupOf(found.gid);
  return {
    obstacle: kvmObstacle(),
    device:
      found === undefined
        ? undefined
        : { mode: modeText(found.mode), group: group?.name ?? String(found.gid) },
    inGroup:
      found !== undefined && [process.getgid?.(), ...(process.getgroups?.() ?? [])].includes(found.gid),
    listed: group?.members.includes(user) ?? false,
  };
}

async function groupOf(gid: number): Promise<{ name: string; members: string[] } | undefined> {
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const fields = text.split("\n").map((line) => line.split(":"));
  const own = fields.find(([, , id]) => id === String(gid));
  return own === undefined ? undefined : { name: own[0] ?? "", members: (own[3] ?? "").split(",") };
}

function modeText(mode: number): string {
  const bits = [..."rwxrwxrwx"].map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-"));
  return `c${bits.join("")}`;
}
