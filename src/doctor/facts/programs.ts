/** Programs of the host that banger runs, and QEMU's answer to whether it can run VMs. */
import { join } from "node:path";
import { run } from "../../sys/sys.ts";
import { type DriverProbe, findProgram, probeQemu } from "../../vmm/vmm.ts";
import type { Place } from "../place.ts";

const wanted = [
  "qemu-system-x86_64",
  "mke2fs",
  "e2fsck",
  "resize2fs",
  "git",
  "ssh",
  "mmdebstrap",
  "newuidmap",
  "newgidmap",
  "apt-get",
  "dpkg-deb",
] as const;
export type ProgramName = (typeof wanted)[number];

export interface ProgramFacts {
  /** Where each is; absent: nowhere. */
  paths: Partial<Record<ProgramName, string>>;
  /** Where they were looked for. */
  path: string;
  /** As the programs say them; undefined where they do not. */
  versions: { e2fsprogs: string | undefined; git: string | undefined; ssh: string | undefined };
}

export async function lookForPrograms(place: Place, signal: AbortSignal): Promise<ProgramFacts> {
  const paths: ProgramFacts["paths"] = {};
  for (const name of wanted) {
    const found = findProgram(name);
    if (found !== undefined) paths[name] = found;
  }
  const version = async (name: ProgramName, flag: string, said: RegExp) => {
    if (paths[name] === undefined) return undefined;
    const { stdout, stderr } = await run(name, [flag], { signal });
    return said.exec(`${stdout.toString("utf8")}\n${stderr}`)?.[1];
  };
  const [e2fsprogs, git, ssh] = await Promise.all([
    version("mke2fs", "-V", /mke2fs (\d+(?:\.\d+)+)/),
    version("git", "--version", /git version (\d+(?:\.\d+)+)/),
    version("ssh", "-V", /OpenSSH_([0-9.p]+)/),
  ]);
  return { paths, path: place.env.PATH ?? "", versions: { e2fsprogs, git, ssh } };
}

/** The daemon's own probe, with what it remembers; nothing new is remembered here. */
export function askQemu({ paths }: Place, signal: AbortSignal): Promise<DriverProbe> {
  return probeQemu({ path: join(paths.state, "qemu-probe.json"), readOnly: true }, signal);
}
