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
  /** Whether this host has the group whose the device usually is. */
  kvmGroup: boolean;
}

export async function lookAtKvm({ user }: Place): Promise<KvmFacts> {
  const found = await stat("/dev/kvm").catch(() => undefined);
  const groups = await readGroups();
  const group = groups.find(({ gid }) => gid === String(found?.gid));
  return {
    obstacle: kvmObstacle(),
    device:
      found === undefined
        ? undefined
        : { mode: modeText(found.mode), group: group?.name ?? String(found.gid) },
    inGroup:
      found !== undefined && [process.getgid?.(), ...(process.getgroups?.() ?? [])].includes(found.gid),
    listed: group?.members.includes(user) ?? false,
    kvmGroup: groups.some(({ name }) => name === "kvm"),
  };
}

async function readGroups(): Promise<{ name: string; gid: string; members: string[] }[]> {
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const fields = text.split("\n").map((line) => line.split(":"));
  return fields.map(([name = "", , gid = "", members = ""]) => ({ name, gid, members: members.split(",") }));
}

function modeText(mode: number): string {
  const bits = [..."rwxrwxrwx"].map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-"));
  return `c${bits.join("")}`;
}
