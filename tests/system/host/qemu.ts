/**
 * The QEMU that emulates the host: the machine's own, or a newer one from Debian's backports, unpacked beside the host's other
 * parts and installed nowhere. QEMU 7.2 (Debian 12) now and then loses a processor of a host whose guests run by nested
 * virtualisation: "scheduling while atomic" in KVM, or a host that falls silent (November 2026, one system test in ten).
 */
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { debianMirror, downloadPackage } from "../../../src/apt/apt.ts";
import { removeTree, runChecked, stageDirectory } from "../../../src/sys/sys.ts";
import { kept } from "./places.ts";
import { suite } from "./recipe.ts";

const leastMajor = 9;
const directory = "qemu-backports";
const program = "qemu-system-x86_64";
/** The program, its firmware for a kernel that is given, and what both share. */
const packages = ["qemu-system-x86", "qemu-system-data", "qemu-system-common", "seabios"];

/** Its path. The machine's own where no newer one can be had, which is said. */
export async function hostQemu(say: (line: string) => void): Promise<string> {
  const own = Bun.which(program);
  if (own !== null && Number(/version (\d+)\./.exec(await qemuVersion(own))?.[1]) >= leastMajor) return own;
  const newer = join(kept, directory, "root/usr/bin", program);
  try {
    if (!(await Bun.file(newer).exists())) await unpack(say);
    // It needs libraries of the machine's, which may be older than it was made for.
    await qemuVersion(newer);
    return newer;
  } catch (error) {
    if (own === null) throw error;
    say(`no newer QEMU than the machine's own can be had: ${error instanceof Error ? error.message : error}`);
    return own;
  }
}

export async function qemuVersion(path: string): Promise<string> {
  return (await runChecked(path, ["--version"])).stdout.toString("utf8");
}

async function unpack(say: (line: string) => void): Promise<void> {
  say("fetching a newer QEMU for the host");
  const mirror = { ...debianMirror(undefined), security: undefined };
  const signal = AbortSignal.timeout(5 * 60_000);
  await removeTree(join(kept, directory));
  await stageDirectory(kept, async (staging) => {
    const root = join(staging, "root");
    await mkdir(root);
    for (const name of packages) {
      const dir = await mkdtemp(join(staging, "package-"));
      const { path } = await downloadPackage({ mirror, suite: `${suite}-backports`, name, dir, signal });
      await runChecked("dpkg-deb", ["--extract", path, root], { signal });
      await removeTree(dir);
    }
    return directory;
  });
}
