/** A bundle with 1 GB in its root file system, from a server on loopback: by banger, and by curl, sha256sum, zstd and tar. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packBundle, rootfsMember } from "../src/bundle/bundle.ts";
import { banger, root } from "./built.ts";
import type { Arm } from "./pairs.ts";

const place = join(root, "build/bench/bundle");
const made = join(place, "made.json");
const world = join(place, "world");
const contentBytes = 2 ** 30;
const name = "bench-bundle";
const env = {
  ...{ PATH: process.env.PATH ?? "", HOME: world, LANG: "C.UTF-8" },
  ...{ XDG_STATE_HOME: join(world, "state"), XDG_CACHE_HOME: join(world, "cache") },
  ...{ XDG_CONFIG_HOME: join(world, "config"), XDG_RUNTIME_DIR: join(world, "run") },
};

interface Made {
  name: string;
  sha256: string;
  size: number;
  unpackedBytes: number;
}

/**
 * Files of this machine's /usr up to 1 GiB, as an image is made of them; kept, because packing takes minutes. At level 9:
 * unpacking is as fast at 19, which takes ten times as long.
 */
async function bundle(): Promise<Made> {
  if (existsSync(made)) return JSON.parse(readFileSync(made, "utf8"));
  rmSync(place, { recursive: true, force: true });
  const tree = join(place, "tree");
  mkdirSync(tree, { recursive: true });
  process.stderr.write("  packing 1 GiB of /usr, once: minutes\n");
  const copy = `find usr -xdev -type f -printf '%s %p\\n' | LC_ALL=C sort -k2 |
    awk -v most=${contentBytes} '(sum += $1) > most { exit } { sub(/^[0-9]+ /, ""); print }' |
    tar --create --file=- --files-from=- | tar --extract --file=- -C "$1"`;
  execFileSync("bash", ["-c", copy, "bash", tree], { cwd: "/" });
  const rootfs = join(place, rootfsMember);
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-d", tree, rootfs, "2G"]);
  rmSync(tree, { recursive: true });
  const kernel = { id: kernelId, name: "none" };
  const packed = await packBundle({
    manifest: {
      ...{ version: 1, kind: "image", name, revision: 0, distro: "debian", arch: "amd64", kernel },
      ...{ rootfsBytes: statSync(rootfs).size, seed: [] },
    },
    ...{ directory: place, members: [rootfsMember], into: place, level: 9 },
    signal: new AbortController().signal,
  });
  rmSync(rootfs);
  writeFileSync(made, JSON.stringify(packed));
  return packed;
}

const kernelId = `sha256:${"c".repeat(64)}`;
/** So that nothing is looked for among the modules, of which there are none. */
const builtIn = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"];

/** A banger of its own, whose catalog has the bundle at `url`; nothing boots the kernel that the image is said to need. */
function makeWorld({ sha256, size, unpackedBytes }: Made, url: string): void {
  const kernels = join(env.XDG_STATE_HOME, "banger/kernels", "c".repeat(64));
  const config = join(env.XDG_CONFIG_HOME, "banger");
  for (const dir of [kernels, config]) mkdirSync(dir, { recursive: true });
  mkdirSync(env.XDG_RUNTIME_DIR, { recursive: true, mode: 0o700 });
  const kernel = { id: kernelId, name: "none", arch: "amd64", release: "6.1", source: "none", createdAt: "" };
  writeFileSync(join(kernels, "manifest.json"), JSON.stringify(kernel));
  const modules = join(kernels, "modules/6.1");
  mkdirSync(join(modules, "kernel"), { recursive: true });
  writeFileSync(join(modules, "modules.builtin"), builtIn.map((module) => `kernel/${module}.ko\n`).join(""));
  const image = { name, description: "", distro: "debian", arch: "amd64", kernel: "none" };
  const catalog = {
    version: 1,
    serial: 1,
    images: [{ ...image, bundle: { url, sha256, size, unpackedBytes } }],
  };
  const source = join(world, "catalog.json");
  writeFileSync(source, JSON.stringify(catalog));
  writeFileSync(join(config, "config.toml"), `[[catalog]]\nsource = ${JSON.stringify(source)}\n`);
}

const call = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(banger, args, { env, cwd: world, encoding: "utf8" });
  if (status !== 0) throw new Error(`banger ${args.join(" ")}: ${stderr}`);
  return stdout;
};

export interface BundleBench {
  pulled: Arm;
  byHand: Arm;
  /** Largest memory of the daemon, and what both had on the disk at most, in bytes; on runs that are not timed. */
  peaks(): Promise<{
    memory: number;
    pulledDisk: number;
    byHandDisk: number;
    size: number;
    unpackedBytes: number;
  }>;
  end(): void;
}

export async function bundleBench(): Promise<BundleBench> {
  const packed = await bundle();
  const { server, url } = await serve(join(place, packed.name));
  rmSync(world, { recursive: true, force: true });
  makeWorld(packed, url);
  const out = join(world, "by-hand");
  // The three one after the other, zstd's output straight into tar: with a file between them it is slower.
  const script = `set -eo pipefail
    curl -sSf "$1" | tee bundle.tar.zst | sha256sum > sum
    grep -q "^$2 " sum
    zstd -dcq bundle.tar.zst | tar --extract --file=-`;
  const pull = (): ChildProcess =>
    spawn(banger, ["image", "pull", name], { env, cwd: world, stdio: ["ignore", "ignore", "inherit"] });
  const hand = (): ChildProcess =>
    spawn("bash", ["-c", script, "bash", url, packed.sha256], { cwd: out, stdio: "inherit" });
  const emptyStore = () => {
    if (call("image", "list", "-q") !== "") call("image", "delete", name);
  };
  const emptyDirectory = () => {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out);
  };
  return {
    pulled: { name: "image pull", run: () => timed(emptyStore, pull) },
    byHand: { name: "curl, sha256sum, zstd, tar", run: () => timed(emptyDirectory, hand) },
    peaks: async () => {
      emptyStore();
      emptyDirectory();
      const { pid } = JSON.parse(call("daemon", "status", "--json"));
      // Forgets the peak so far (proc(5), clear_refs).
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
      const pulledDisk = await peakOf([env.XDG_STATE_HOME, env.XDG_CACHE_HOME], pull());
      const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
      const byHandDisk = await peakOf([out], hand());
      return { memory, pulledDisk, byHandDisk, size: packed.size, unpackedBytes: packed.unpackedBytes };
    },
    end: () => {
      spawnSync(banger, ["daemon", "stop"], { env });
      server.kill();
      rmSync(world, { recursive: true, force: true });
    },
  };
}

async function timed(prepare: () => void, start: () => ChildProcess): Promise<number> {
  prepare();
  // What was written before is not to be waited for by what is measured.
  execFileSync("sync");
  const started = performance.now();
  await ended(start());
  return performance.now() - started;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("close", (status) => (status === 0 ? resolve() : reject(new Error(`ended with ${status}`))));
  });
}

/** What the directories have on the disk at most while the process runs. */
async function peakOf(directories: readonly string[], child: ChildProcess): Promise<number> {
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(
      peak,
      directories.reduce((sum, directory) => sum + allocatedNow(directory), 0),
    );
  }, 100);
  try {
    await ended(child);
  } finally {
    clearInterval(look);
  }
  return peak;
}

function allocatedNow(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.reduce((sum, each) => {
    const found = statSync(join(directory, each), { throwIfNoEntry: false });
    return sum + (found?.isFile() ? found.blocks * 512 : 0);
  }, 0);
}

/** In a process of its own: what sends is nobody's time. */
async function serve(path: string): Promise<{ server: ChildProcess; url: string }> {
  const program = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(Bun.file(${JSON.stringify(path)})) });
    console.log(server.url.href);`;
  const server = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const said = await new Promise<Buffer>((resolve) => server.stdout.once("data", resolve));
  return { server, url: new URL("bundle", said.toString().trim()).href };
}
