/** Building an image by its recipe: mmdebstrap, with a last hook that provisions the root and makes an ext4 of it. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import provisionScript from "../../images/provision.sh" with { type: "text" };
import type { DebianMirror } from "../apt/apt.ts";
import type { ImageRecipe } from "../catalog/catalog.ts";
import { cleanEnvironment, removeTree, stageDirectory } from "../sys/sys.ts";
import { explainFailure, mmdebstrapMode, runMmdebstrap } from "./mmdebstrap.ts";
import { bringHome, lend, makeShared, removeShared } from "./namespace.ts";
import { sealImage } from "./store.ts";

/** The root file system's size: writes beyond the packages go here, sparsely. */
export const rootfsBytes = 8 * 1024 ** 3;

export interface ImageBuild {
  mirror: DebianMirror;
  /** The kernel whose modules go into the image; there need not be any. */
  kernel: { id: string; name: string; modules: string };
  /** Those of the recipe's tools that there are, each a program in a file. The image is built without the others. */
  tools: readonly { name: string; sha256: string; path: string }[];
  signal: AbortSignal;
  progress(message: string, done?: number, total?: number): void;
}

/** Where a build's parts are. */
interface Places {
  /** For reading: the hook, lib/modules/RELEASE of the kernel, and a directory of tools by their names. */
  hook: string;
  modules: string;
  tools: string;
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
  entry: ImageRecipe,
  imagesDir: string,
  build: ImageBuild,
  sharedIn = tmpdir(),
): Promise<string> {
  return stageDirectory(imagesDir, async (staging) => {
    if ((await mmdebstrapMode(build.signal)) === "root") {
      const { modules } = build.kernel;
      const hook = await writeHook(staging);
      const tools = await copyTools(build, staging);
      await bootstrap(entry, build, "root", { hook, modules, tools, out: staging, temporary: staging });
      await removeTree(hook);
      await removeTree(tools);
    } else {
      await bootstrapUnshared(entry, build, staging, sharedIn);
    }
    return await writeManifest(entry, build, staging);
  });
}

async function bootstrapUnshared(
  entry: ImageRecipe,
  build: ImageBuild,
  staging: string,
  sharedIn: string,
): Promise<void> {
  const place = await makeShared(sharedIn);
  try {
    const hook = await writeHook(place.lent);
    const { modules: own } = build.kernel;
    const modules = existsSync(own) ? await lend(own, place) : own;
    const tools = await copyTools(build, place.lent);
    const { made: out, path: temporary } = place;
    await bootstrap(entry, build, "unshare", { hook, modules, tools, out, temporary });
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

async function copyTools({ tools }: ImageBuild, dir: string): Promise<string> {
  const copies = join(dir, "tools");
  await mkdir(copies);
  await chmod(copies, 0o755);
  for (const { name, path } of tools) {
    await copyFile(path, join(copies, name));
    await chmod(join(copies, name), 0o755);
  }
  return copies;
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
  { recipe: { suite, packages } }: ImageRecipe,
  { mirror, signal, progress }: ImageBuild,
  mode: "root" | "unshare",
  { hook, modules, tools, out, temporary }: Places,
): Promise<void> {
  const line = (uri: string, suite: string) => `deb [signed-by=${mirror.keyring}] ${uri} ${suite} main`;
  const args = [
    ...["--variant=minbase", "--architectures=amd64", "--format=null"],
    `--include=${packages.join(",")}`,
    ...["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"],
    ...["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"],
    // A hook is a shell's words: the paths in it come by the environment.
    '--customize-hook="$BANGER_HOOK" "$1"',
    suite,
    "/dev/null",
    line(mirror.archive, suite),
    ...(mirror.security === undefined ? [] : [line(mirror.security, `${suite}-security`)]),
  ];
  const said: string[] = [];
  const status = await runMmdebstrap(mode, args, {
    cwd: temporary,
    signal,
    env: {
      ...cleanEnvironment(),
      BANGER_HOOK: hook,
      BANGER_OUT: out,
      BANGER_MODULES: modules,
      BANGER_TOOLS: tools,
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
async function writeManifest(entry: ImageRecipe, build: ImageBuild, staging: string): Promise<string> {
  const packages = await readFile(join(staging, "packages"), "utf8");
  const tools = build.tools.map(({ sha256 }) => sha256).join();
  const inputs = [
    JSON.stringify([entry.name, entry.recipe]),
    build.kernel.id,
    packages,
    provisionScript,
    tools,
  ].join("\0");
  const digest = createHash("sha256").update(inputs).digest("hex");
  const lacks = entry.recipe.tools.filter((name) => !build.tools.some((tool) => tool.name === name));
  await sealImage(staging, {
    id: `sha256:${digest}`,
    name: entry.name,
    revision: entry.recipe.revision,
    distro: entry.distro,
    arch: entry.arch,
    kernel: { id: build.kernel.id, name: build.kernel.name },
    ...(lacks.length > 0 ? { lacks } : {}),
  });
  return digest;
}
