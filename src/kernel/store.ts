/** Kernels on disk: <dir>/<digest>/{vmlinux,modules/RELEASE,manifest.json}; without modules/ one that has all built in. */
import { open, readdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { BangerError, toBangerError } from "../base/base.ts";
import { atomicWrite, removeTree, stageDirectory } from "../sys/sys.ts";

/** A directory is named by it: it begins with a letter or a digit. */
export const kernelRelease = /^[A-Za-z0-9][A-Za-z0-9.+~_-]{0,63}$/;

export const manifestName = "manifest.json";

export const KernelManifest = z.strictObject({
  /** `sha256:` of vmlinux. */
  id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  name: z.string(),
  arch: z.literal("amd64"),
  /** What uname -r says. */
  release: z.string().regex(kernelRelease),
  source: z.string(),
  createdAt: z.string(),
});
export type KernelManifest = z.infer<typeof KernelManifest>;

export interface StoredKernel extends KernelManifest {
  directory: string;
  vmlinux: string;
  /** lib/modules/RELEASE of this kernel; not there when it has no modules. */
  modules: string;
}

/** The kernel of a digest. Throws not_found, or corrupt when its manifest makes no sense. */
export async function readKernel(kernelsDir: string, id: string): Promise<StoredKernel> {
  const directory = join(kernelsDir, id.replace(/^sha256:/, ""));
  let text: string;
  try {
    text = await readFile(join(directory, manifestName), "utf8");
  } catch (error) {
    throw new BangerError("not_found", `kernel ${id} is not in the store`, {
      hint: "fetch it again: banger kernel pull NAME",
      cause: error,
    });
  }
  const parsed = parseManifest(text);
  if (parsed === undefined || parsed.id !== id) {
    throw new BangerError("corrupt", `the kernel in ${directory} is damaged`, {
      hint: "fetch it again: banger kernel pull --force NAME",
    });
  }
  return {
    ...parsed,
    directory,
    vmlinux: join(directory, "vmlinux"),
    modules: join(directory, "modules", parsed.release),
  };
}

function parseManifest(text: string): KernelManifest | undefined {
  try {
    return KernelManifest.parse(JSON.parse(text));
  } catch {
    // Not JSON, or not a manifest: the caller says which directory.
    return undefined;
  }
}

/** All kernels whose manifests can be read. */
export async function listKernels(kernelsDir: string): Promise<StoredKernel[]> {
  const names = await readdir(kernelsDir).catch(() => []);
  const digests = names.filter((name) => /^[0-9a-f]{64}$/.test(name));
  const read = await Promise.all(
    digests.map((digest) => readKernel(kernelsDir, `sha256:${digest}`).catch(() => undefined)),
  );
  return read.filter((kernel) => kernel !== undefined);
}

/** Removes a kernel: renamed aside first, so that nobody finds half of it. */
export async function removeKernel(kernelsDir: string, id: string): Promise<void> {
  const digest = id.replace(/^sha256:/, "");
  const aside = join(kernelsDir, `.staging-removed-${digest}`);
  await rename(join(kernelsDir, digest), aside);
  await removeTree(aside);
}

/**
 * Finishes a kernel in its staging directory, once vmlinux is there: what it boots is on the disk before the directory gets
 * its name. `mayStay` as for makeWay.
 */
export async function sealKernel(
  staging: string,
  manifest: KernelManifest,
  mayStay: (there: StoredKernel) => boolean,
): Promise<void> {
  const vmlinux = await open(join(staging, "vmlinux"), "r+");
  await vmlinux.sync();
  await vmlinux.close();
  await atomicWrite(join(staging, manifestName), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  await makeWay(dirname(staging), manifest.id, mayStay);
}

/**
 * Clears the place of a kernel that is about to get it. An id is vmlinux's digest, and says nothing of modules: so one that
 * is there stays only if it can be read, and `mayStay`.
 */
async function makeWay(
  kernelsDir: string,
  id: string,
  mayStay: (there: StoredKernel) => boolean,
): Promise<void> {
  const there = await readKernel(kernelsDir, id).catch((error: unknown) => toBangerError(error));
  if (there instanceof BangerError ? there.code === "not_found" : mayStay(there)) return;
  const digest = id.replace(/^sha256:/, "");
  await removeTree(join(kernelsDir, replacedPrefix + digest));
  await rename(join(kernelsDir, digest), join(kernelsDir, replacedPrefix + digest));
}

const replacedPrefix = ".replaced-";

/**
 * Removes kernels that have made way, once another has their place; those whose place is empty, because whoever was to take
 * it failed or was killed, get it back. To be called when a kernel has been sealed and named, and before the first one is.
 */
export async function settleReplaced(kernelsDir: string): Promise<void> {
  for (const name of await readdir(kernelsDir).catch(() => [])) {
    if (!name.startsWith(replacedPrefix)) continue;
    const aside = join(kernelsDir, name);
    const place = join(kernelsDir, name.slice(replacedPrefix.length));
    // Onto what is there no directory is renamed, unless that is empty.
    const isBack = await rename(aside, place).then(
      () => true,
      () => false,
    );
    if (!isBack) await removeTree(aside);
  }
}

/** As stageDirectory, for a build that seals a kernel. */
export async function stageKernel(
  kernelsDir: string,
  build: (staging: string) => Promise<string>,
): Promise<string> {
  try {
    return await stageDirectory(kernelsDir, build);
  } finally {
    await settleReplaced(kernelsDir);
  }
}
