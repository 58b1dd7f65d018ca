/** Building a kernel by its recipe: Debian's package, unpacked. */
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DebianMirror, downloadPackage } from "../apt/apt.ts";
import { BangerError } from "../base/base.ts";
import type { KernelRecipe } from "../catalog/catalog.ts";
import { removeTree, runChecked } from "../sys/sys.ts";
import { extractVmlinux } from "./bzimage.ts";
import { type KernelManifest, sealKernel, stageKernel } from "./store.ts";

export interface BuildContext {
  mirror: DebianMirror;
  signal: AbortSignal;
  progress(message: string): void;
}

/** Builds into `kernelsDir` and returns the finished directory. A killed build leaves only a staging directory. */
export function buildKernel(
  { name, arch, recipe }: KernelRecipe,
  kernelsDir: string,
  ctx: BuildContext,
): Promise<string> {
  return stageKernel(kernelsDir, async (staging) => {
    const work = join(staging, "work");
    await mkdir(work);
    ctx.progress(`downloading ${recipe.package}`);
    const found = await downloadPackage({ ...recipe, ...ctx, name: recipe.package, dir: work });
    ctx.progress(`unpacking ${found.name} ${found.version}`);
    const tree = join(work, "tree");
    await runChecked("dpkg-deb", ["-x", found.path, tree], { signal: ctx.signal });
    const [release, ...others] = await readdir(join(tree, "lib/modules"));
    if (release === undefined || others.length > 0)
      throw new BangerError("corrupt", `${found.name} has no single kernel`);
    const vmlinux = await extractVmlinux(await readFile(join(tree, "boot", `vmlinuz-${release}`)));
    await writeFile(join(staging, "vmlinux"), vmlinux);
    await cp(join(tree, "lib/modules", release), join(staging, "modules", release), {
      recursive: true,
      verbatimSymlinks: true,
    });
    await removeTree(work);
    const digest = createHash("sha256").update(vmlinux).digest("hex");
    const manifest: KernelManifest = {
      id: `sha256:${digest}`,
      name,
      arch,
      release,
      source: `${found.name} ${found.version}`,
      createdAt: new Date().toISOString(),
    };
    // Somebody else's with this vmlinux may have other modules.
    await sealKernel(staging, manifest, ({ source }) => source === manifest.source);
    return digest;
  });
}
