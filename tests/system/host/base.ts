/** The host as it comes from its packages: built once per recipe, never booted, never written. */
import { createHash } from "node:crypto";
import { chmod, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DebianMirror, debianMirror } from "../../../src/apt/apt.ts";
import { explainFailure, mmdebstrapMode, runMmdebstrap } from "../../../src/image/mmdebstrap.ts";
import { cpioArchive, fileType } from "../../../src/kernel/cpio.ts";
import { moduleClosure, type StoredKernel } from "../../../src/kernel/kernel.ts";
import { cleanEnvironment, removeTree, runChecked, stageDirectory } from "../../../src/sys/sys.ts";
import { asRoot } from "./as-root.ts";
import { firecrackerDigest, firecrackerDirectory } from "./firecracker.ts";
import { kept } from "./places.ts";
import { bootModules, bootScript, cmdline, diskBytes, packages, suite } from "./recipe.ts";

export interface HostBase {
  /** Names everything that was put in. */
  digest: string;
  disk: string;
  initramfs: string;
  /** The private key that lets root and dev in. */
  key: string;
  busybox: string;
}

/** The base for a kernel, built when it is not there; that takes about a minute. */
export async function hostBase(kernel: StoredKernel, say: (line: string) => void): Promise<HostBase> {
  const scripts = await Promise.all(
    ["base.ts", "provision.sh", "make-disk.sh"].map((name) => readFile(beside(name), "utf8")),
  );
  const inputs = {
    suite,
    packages,
    diskBytes,
    bootModules,
    bootScript,
    cmdline,
    scripts,
    firecrackerDigest,
    kernel: kernel.id,
  };
  const digest = createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 16);
  const dir = join(kept, `base-${digest}`);
  const base: HostBase = {
    digest,
    disk: join(dir, "root.ext4"),
    initramfs: join(dir, "initramfs"),
    key: join(dir, "key"),
    busybox: join(dir, "busybox"),
  };
  if (await Bun.file(base.initramfs).exists()) return base;
  say("building the host from Debian's packages");
  const signal = AbortSignal.timeout(10 * 60_000);
  await stageDirectory(kept, async (staging) => {
    const key = join(staging, "key");
    await runChecked("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", key]);
    const tar = join(staging, "root.tar");
    await bootstrap(staging, tar, kernel, signal);
    await chmod(join(staging, "busybox"), 0o755);
    await makeDisk(staging, tar, signal);
    await removeTree(tar);
    await writeFile(join(staging, "initramfs"), await hostInitramfs(kernel, join(staging, "busybox")));
    return `base-${digest}`;
  });
  return base;
}

function beside(name: string): string {
  return join(import.meta.dir, name);
}

async function bootstrap(
  staging: string,
  tar: string,
  kernel: StoredKernel,
  signal: AbortSignal,
): Promise<void> {
  const mirror = debianMirror(undefined);
  const mode = await mmdebstrapMode(signal);
  const firecracker = await firecrackerDirectory();
  // Without root, mmdebstrap's other users must get through to it, and this checkout may be in a private directory.
  const temporary = await mkdtemp(join(mode === "root" ? staging : tmpdir(), "banger-system-"));
  await chmod(temporary, 0o1777);
  // Copied by mmdebstrap itself, before and after its change of user; the last is a shell's words.
  const hooks = [
    'mkdir -p "$1/usr/lib/modules"',
    `copy-in ${hookWord(kernel.modules)} /usr/lib/modules`,
    `upload ${hookWord(join(firecracker, "firecracker"))} /usr/local/bin/firecracker`,
    `upload ${hookWord(join(firecracker, "jailer"))} /usr/local/bin/jailer`,
    `download /bin/busybox ${hookWord(join(staging, "busybox"))}`,
    await readFile(beside("provision.sh"), "utf8"),
  ];
  const said: string[] = [];
  const status = await runMmdebstrap(
    mode,
    [
      ...["--variant=minbase", "--architectures=amd64", "--format=tar"],
      `--include=${packages.join(",")}`,
      ...["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"],
      "--dpkgopt=path-exclude=/usr/share/locale/*",
      ...hooks.map((hook) => `--customize-hook=${hook}`),
      suite,
      tar,
      ...sources(mirror),
    ],
    {
      cwd: staging,
      signal,
      env: {
        ...cleanEnvironment(),
        TMPDIR: temporary,
        HOST_KEY: (await readFile(join(staging, "key.pub"), "utf8")).trim(),
        HOST_RELEASE: kernel.release,
      },
      onLine: (line) => {
        said.push(line);
        if (said.length > 200) said.shift();
      },
    },
  );
  if (status !== 0) throw explainFailure(status, said);
  await removeTree(temporary);
}

/** A path as one word of mmdebstrap's own hooks, which it takes apart with Perl's Text::ParseWords. */
function hookWord(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&")}"`;
}

function sources(mirror: DebianMirror): string[] {
  const line = (uri: string, of: string) => `deb [signed-by=${mirror.keyring}] ${uri} ${of} main`;
  const security = mirror.security === undefined ? [] : [line(mirror.security, `${suite}-security`)];
  return [line(mirror.archive, suite), ...security];
}

async function makeDisk(staging: string, tar: string, signal: AbortSignal): Promise<void> {
  const disk = join(staging, "root.ext4");
  await asRoot("sh", [beside("make-disk.sh"), tar, disk, String(diskBytes), staging], signal);
}

async function hostInitramfs(kernel: StoredKernel, busybox: string): Promise<Buffer> {
  const modules = await moduleClosure(kernel.modules, bootModules);
  const file = (name: string, mode: number, content: Uint8Array) => ({
    name,
    mode: fileType.regular | mode,
    content,
  });
  return cpioArchive([
    ...["bin", "dev", "m", "mnt"].map((name) => ({ name, mode: fileType.directory | 0o755 })),
    { name: "dev/console", mode: fileType.characterDevice | 0o600, device: [5, 1] },
    file("init", 0o755, Buffer.from(bootScript)),
    file("bin/busybox", 0o755, await readFile(busybox)),
    file("modules.list", 0o644, Buffer.from(modules.map(({ name }) => `${name}\n`).join(""))),
    ...modules.map(({ name, content }) => file(`m/${name}.ko`, 0o644, content)),
  ]);
}
