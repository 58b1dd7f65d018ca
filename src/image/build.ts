/** Building an image by its recipe: mmdebstrap, with a last hook that provisions the root and makes an ext4 of it. */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, open, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import provisionScript from "../../images/provision.sh" with { type: "text" };
import type { DebianMirror } from "../apt/apt.ts";
import { copySparse } from "../disk/disk.ts";
import { cleanEnvironment, removeTree, runChecked, runStreaming, stageDirectory } from "../sys/sys.ts";
import type { ImageRecipe } from "./catalog.ts";
import { explainFailure, mmdebstrapMode, ownNamespace } from "./mmdebstrap.ts";
import { type ImageManifest, manifestName } from "./store.ts";

/** The root file system's size: writes beyond the packages go here, sparsely. */
export const rootfsBytes = 8 * 1024 ** 3;

export interface ImageBuild {
  mirror: DebianMirror;
  /** The kernel whose modules go into the image. */
  kernel: { id: string; name: string; modules: string };
  signal: AbortSignal;
  progress(message: string, done?: number, total?: number): void;
}

/** Builds into `imagesDir` and returns the finished directory. A killed build leaves only a staging directory. */
export function buildImage(recipe: ImageRecipe, imagesDir: string, build: ImageBuild): Promise<string> {
  return stageDirectory(imagesDir, async (staging) => {
    const mode = await mmdebstrapMode(build.signal);
    // In a user namespace the hook is not this user: it writes to a place that both can reach.
    const out = mode === "root" ? staging : await sharedDirectory();
    try {
      await bootstrap(recipe, build, mode, staging, out);
      if (out !== staging) await bringHome(out, staging);
      return await writeManifest(recipe, build, staging, await readFile(join(out, "packages"), "utf8"));
    } finally {
      if (out !== staging) await removeShared(out);
    }
  });
}

async function bootstrap(
  recipe: ImageRecipe,
  build: ImageBuild,
  mode: "root" | "unshare",
  staging: string,
  out: string,
): Promise<void> {
  const { mirror, kernel, signal, progress } = build;
  const hook = join(out, "provision.sh");
  await writeFile(hook, provisionScript, { mode: 0o755 });
  await chmod(hook, 0o755);
  const modules = mode === "root" ? kernel.modules : await lend(kernel.modules, out);
  const line = (uri: string, suite: string) => `deb [signed-by=${mirror.keyring}] ${uri} ${suite} main`;
  const args = [
    ...["--variant=minbase", `--mode=${mode}`, "--architectures=amd64", "--format=null"],
    `--include=${recipe.packages.join(",")}`,
    ...["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"],
    ...["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"],
    // A hook is a shell's words: the paths in it come by the environment.
    '--customize-hook="$BANGER_OUT/provision.sh" "$1"',
    recipe.suite,
    "/dev/null",
    line(mirror.archive, recipe.suite),
    ...(mirror.security === undefined ? [] : [line(mirror.security, `${recipe.suite}-security`)]),
  ];
  const said: string[] = [];
  const status = await runStreaming("mmdebstrap", args, {
    cwd: staging,
    signal,
    env: {
      ...cleanEnvironment(),
      BANGER_OUT: out,
      BANGER_MODULES: modules,
      BANGER_SIZE: String(rootfsBytes),
      TMPDIR: tmpdir(),
    },
    onLine: (text) => {
      said.push(text);
      if (said.length > 200) said.shift();
      const stage = /^I: (.+?)\.*$/.exec(text)?.[1];
      if (stage !== undefined) progress(stage);
    },
  });
  if (status !== 0) throw explainFailure(status, said);
}

/** The digest names the content by its inputs: hashing 8 GiB of mostly holes would cost seconds and say no more. */
async function writeManifest(
  recipe: ImageRecipe,
  build: ImageBuild,
  staging: string,
  packages: string,
): Promise<string> {
  const inputs = [JSON.stringify(recipe), build.kernel.id, packages, provisionScript].join("\0");
  const digest = createHash("sha256").update(inputs).digest("hex");
  const rootfs = join(staging, "rootfs.ext4");
  const file = await open(rootfs, "r+");
  await file.sync();
  await file.close();
  await chmod(rootfs, 0o400);
  const { size, mtimeMs } = await stat(rootfs);
  const manifest: ImageManifest = {
    id: `sha256:${digest}`,
    name: recipe.name,
    revision: recipe.revision,
    distro: recipe.distro,
    arch: recipe.arch,
    kernel: { id: build.kernel.id, name: build.kernel.name },
    rootfsBytes: size,
    rootfsModifiedMs: mtimeMs,
    createdAt: new Date().toISOString(),
  };
  await writeFile(join(staging, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  await removeTree(join(staging, "provision.sh"));
  return digest;
}

/** A directory in /tmp that the namespace's users may write too; its name is unguessable and it lives for one build. */
async function sharedDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "banger-image-"));
  await chmod(path, 0o777);
  return path;
}

/** What the namespace's users made there is theirs: it is removed from inside one. */
async function removeShared(path: string): Promise<void> {
  await runChecked("unshare", [...ownNamespace, "rm", "-rf", "--", path]);
}

/** The store is 0700: what the hook must read is copied to where it can. */
async function lend(modules: string, out: string): Promise<string> {
  const { cp } = await import("node:fs/promises");
  const { basename } = await import("node:path");
  const target = join(out, basename(modules));
  await cp(modules, target, { recursive: true, verbatimSymlinks: true });
  return target;
}

/** Copies what the hook made, which belongs to a user of the namespace, into files of this user's. */
async function bringHome(out: string, staging: string): Promise<void> {
  const source = await open(join(out, "rootfs.ext4"), "r");
  const target = await open(join(staging, "rootfs.ext4"), "wx", 0o600);
  try {
    await copySparse(source, target, (await source.stat()).size);
  } finally {
    await source.close();
    await target.close();
  }
  const { cp } = await import("node:fs/promises");
  await mkdir(join(staging, "seed"));
  await cp(join(out, "seed"), join(staging, "seed"), { recursive: true });
}
