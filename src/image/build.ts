/** Building an image by its recipe: mmdebstrap, with a last hook that provisions the root and makes an ext4 of it. */
import { createHash } from "node:crypto";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import provisionScript from "../../images/provision.sh" with { type: "text" };
import type { DebianMirror } from "../apt/apt.ts";
import { cleanEnvironment, removeTree, runStreaming, stageDirectory } from "../sys/sys.ts";
import type { ImageRecipe } from "./catalog.ts";
import { explainFailure, mmdebstrapMode } from "./mmdebstrap.ts";
import { bringHome, lend, makeShared, removeShared } from "./namespace.ts";
import { sealImage } from "./store.ts";

/** The root file system's size: writes beyond the packages go here, sparsely. */
export const rootfsBytes = 8 * 1024 ** 3;

export interface ImageBuild {
  mirror: DebianMirror;
  /** The kernel whose modules go into the image; without any, there is no such directory. */
  kernel: { id: string; name: string; modules: string };
  signal: AbortSignal;
  progress(message: string, done?: number, total?: number): void;
}

/** Where a build's parts are. */
interface Places {
  /** For reading: the hook, and lib/modules/RELEASE of the kernel. */
  hook: string;
  modules: string;
  /** Where the hook writes. */
  out: string;
  /** Where mmdebstrap unpacks. */
  temporary: string;
}

/**
 * Builds into `imagesDir` and returns the finished directory. A killed build leaves only a staging directory, and a
 * shared one in `sharedIn`: see namespace.ts.
 */
export function buildImage(
  recipe: ImageRecipe,
  imagesDir: string,
  build: ImageBuild,
  sharedIn = tmpdir(),
): Promise<string> {
  return stageDirectory(imagesDir, async (staging) => {
    if ((await mmdebstrapMode(build.signal)) === "root") {
      const { modules } = build.kernel;
      const hook = await writeHook(staging);
      await bootstrap(recipe, build, "root", { hook, modules, out: staging, temporary: staging });
      await removeTree(hook);
    } else {
      await bootstrapUnshared(recipe, build, staging, sharedIn);
    }
    return await writeManifest(recipe, build, staging);
  });
}

async function bootstrapUnshared(
  recipe: ImageRecipe,
  build: ImageBuild,
  staging: string,
  sharedIn: string,
): Promise<void> {
  const place = await makeShared(sharedIn);
  try {
    const hook = await writeHook(place.lent);
    const modules = await lend(build.kernel.modules, place);
    await bootstrap(recipe, build, "unshare", { hook, modules, out: place.made, temporary: place.path });
    await bringHome(place, staging);
  } finally {
    await removeShared(place.path);
  }
}

async function writeHook(dir: string): Promise<string> {
  const hook = join(dir, "provision.sh");
  await writeFile(hook, provisionScript);
  await chmod(hook, 0o755);
  return hook;
}

/** mmdebstrap's own words for what it does, and ours, in the order in which it comes to them. */
const stages = [
  { said: /^I: running apt-get update/, shown: "reading package lists" },
  { said: /^I: downloading packages/, shown: "downloading the base system" },
  { said: /^I: extracting archives/, shown: "unpacking the base system" },
  { said: /^I: installing essential packages/, shown: "installing the base system" },
  { said: /^I: installing remaining packages/, shown: "installing packages" },
  { said: /^I: running --customize-hook/, shown: "making it lean, and a file system of it" },
] as const;

async function bootstrap(
  recipe: ImageRecipe,
  { mirror, signal, progress }: ImageBuild,
  mode: "root" | "unshare",
  { hook, modules, out, temporary }: Places,
): Promise<void> {
  const line = (uri: string, suite: string) => `deb [signed-by=${mirror.keyring}] ${uri} ${suite} main`;
  const args = [
    ...["--variant=minbase", `--mode=${mode}`, "--architectures=amd64", "--format=null"],
    `--include=${recipe.packages.join(",")}`,
    ...["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"],
    ...["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"],
    // A hook is a shell's words: the paths in it come by the environment.
    '--customize-hook="$BANGER_HOOK" "$1"',
    recipe.suite,
    "/dev/null",
    line(mirror.archive, recipe.suite),
    ...(mirror.security === undefined ? [] : [line(mirror.security, `${recipe.suite}-security`)]),
  ];
  const said: string[] = [];
  const status = await runStreaming("mmdebstrap", args, {
    cwd: temporary,
    signal,
    env: {
      ...cleanEnvironment(),
      BANGER_HOOK: hook,
      BANGER_OUT: out,
      BANGER_MODULES: modules,
      BANGER_SIZE: String(rootfsBytes),
      TMPDIR: temporary,
    },
    onLine: (text) => {
      said.push(text);
      if (said.length > 200) said.shift();
      const at = stages.findIndex(({ said }) => said.test(text));
      if (at >= 0) progress(`${at + 1}/${stages.length} ${stages[at]?.shown}`);
    },
  });
  if (status !== 0) throw explainFailure(status, said);
}

/** The digest names the content by its inputs: hashing 8 GiB of mostly holes would cost seconds and say no more. */
async function writeManifest(recipe: ImageRecipe, build: ImageBuild, staging: string): Promise<string> {
  const packages = await readFile(join(staging, "packages"), "utf8");
  const inputs = [JSON.stringify(recipe), build.kernel.id, packages, provisionScript].join("\0");
  const digest = createHash("sha256").update(inputs).digest("hex");
  await sealImage(staging, {
    id: `sha256:${digest}`,
    name: recipe.name,
    revision: recipe.revision,
    distro: recipe.distro,
    arch: recipe.arch,
    kernel: { id: build.kernel.id, name: build.kernel.name },
  });
  return digest;
}
