/** A kernel of the user's own: a file, or a directory with its modules, as a build or a distribution's package leaves it. */
import { cp, lstat, mkdir, open, readdir, realpath, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BangerError } from "../base/base.ts";
import { filesBelow, readPlainFile } from "../sys/sys.ts";
import { extractVmlinux, isBzImage, maxKernelBytes } from "./bzimage.ts";
import { checkVmlinux } from "./elf.ts";
import { type KernelManifest, kernelRelease, sealKernel, stageKernel } from "./store.ts";
import { unpackModules } from "./unpack-modules.ts";

export interface KernelImport {
  /** In the store. */
  name: string;
  /** Absolute: a vmlinux or bzImage, or a directory that has one, in itself or in `boot`. */
  from: string;
  /** Throws no_space when there is no room in the store for so many bytes. */
  needSpace(bytes: number): Promise<void>;
  signal: AbortSignal;
}

/** Where modules are, seen from the directory: Debian's, merged /usr's, and banger's own store's. */
const moduleRoots = ["lib/modules", "usr/lib/modules", "modules"];

/**
 * Into `kernelsDir`; gives the finished directory. Without modules the kernel must have what a guest boots with built in,
 * which its first start tells. Throws not_found, corrupt, precondition for several kernels; leaves nothing then.
 */
export function importKernel(
  { name, from, needSpace, signal }: KernelImport,
  kernelsDir: string,
): Promise<string> {
  return stageKernel(kernelsDir, async (staging) => {
    const file = await kernelFile(from);
    const bytes = await readKernelFile(file);
    const vmlinux = isBzImage(bytes) ? await extractVmlinux(bytes) : bytes;
    const place = join(staging, "vmlinux");
    await writeFile(place, vmlinux);
    const digest = await checkVmlinux(place, file);
    const release = releaseOf(vmlinux);
    const modules = await modulesOf(from, release);
    if (modules !== undefined) {
      await needBuiltIn(modules, release);
      await needSpace(await apparentBytes(modules));
      await copyModules(modules, join(staging, "modules", release), signal);
    }
    const manifest: KernelManifest = {
      id: `sha256:${digest}`,
      name,
      arch: "amd64",
      release,
      source: file,
      createdAt: new Date().toISOString(),
    };
    // One of the user's own gives way to what the user brings now.
    await sealKernel(staging, manifest, (there) => there.name !== name);
    return digest;
  });
}

async function kernelFile(from: string): Promise<string> {
  const found = await stat(from).catch((cause: unknown) => {
    throw new BangerError("not_found", `${from} is not there, or not for the daemon to read`, { cause });
  });
  if (!found.isDirectory()) return from;
  for (const directory of [from, join(from, "boot")]) {
    const names = (await readdir(directory).catch(() => [])).sort();
    if (names.includes("vmlinux")) return join(directory, "vmlinux");
    const kernels = names.filter((each) => /^(vmlinux-|vmlinuz|bzImage)/.test(each));
    if (kernels.length > 1) {
      throw new BangerError("precondition", `${directory} has several kernels: ${kernels.join(", ")}`, {
        hint: `say which: --from ${join(directory, kernels[0] ?? "")}`,
      });
    }
    if (kernels[0] !== undefined) return join(directory, kernels[0]);
  }
  throw new BangerError("not_found", `${from} has no vmlinux, vmlinuz or bzImage, nor has its boot`);
}

/** Not a pipe or a device, which have no end. */
async function readKernelFile(path: string): Promise<Buffer> {
  const found = await stat(path);
  if (!found.isFile() || found.size > maxKernelBytes)
    throw new BangerError("corrupt", `${path} is no file of a kernel's size`);
  const file = await open(path, "r");
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** What the kernel will say of itself: its banner is in its data. */
function releaseOf(vmlinux: Buffer): string {
  const at = vmlinux.indexOf("Linux version ");
  const release = /^Linux version (\S+) /.exec(vmlinux.toString("latin1", at, at + 100))?.[1];
  if (at >= 0 && release !== undefined && kernelRelease.test(release)) return release;
  throw new BangerError("corrupt", "the kernel does not say which version of Linux it is");
}

async function modulesOf(from: string, release: string): Promise<string | undefined> {
  for (const root of moduleRoots) {
    const place = join(from, root, release);
    // Where it is a link to: its files are copied, and no links.
    const real = await realpath(place).catch(() => undefined);
    if (real !== undefined && (await stat(real)).isDirectory()) return real;
  }
  return undefined;
}

const maxListBytes = 16 * 1024 ** 2;
/** Modules of a whole distribution are half a gigabyte. */
const maxModulesBytes = 2 * 1024 ** 3;

async function apparentBytes(modules: string): Promise<number> {
  let bytes = 0;
  for await (const path of filesBelow(modules)) {
    bytes += (await lstat(path)).size;
    if (bytes > maxModulesBytes)
      throw new BangerError("corrupt", `${modules} has more in it than modules take`);
  }
  return bytes;
}

/** A guest's root is mounted before anything could be loaded that is on it. */
async function needBuiltIn(modules: string, release: string): Promise<void> {
  const builtIn = await readPlainFile(join(modules, "modules.builtin"), maxListBytes).catch(() => undefined);
  if (builtIn === undefined || /\/ext4\.ko$/m.test(builtIn.toString("utf8"))) return;
  throw new BangerError(
    "precondition",
    `kernel ${release} has ext4 as a module, and could not mount its guest's root`,
    {
      hint: "take one that has it built in, as kernels for clouds do (Debian's linux-image-cloud-amd64), or build one with CONFIG_EXT4_FS=y",
    },
  );
}

/** Files and directories: `build` and `source` lead to where the kernel was built. */
async function copyModules(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(to, { recursive: true });
  await cp(from, to, {
    recursive: true,
    filter: async (path) => {
      signal.throwIfAborted();
      const found = await lstat(path);
      return found.isDirectory() || (found.isFile() && basename(path) !== "vmlinux");
    },
  });
  await unpackModules(to, signal);
}
