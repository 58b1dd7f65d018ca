/** Where pulls of container images are measured: a real registry on loopback, and for each pull a banger with nothing yet. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocatedIn } from "../src/sys/sys.ts";
import { plantKernel, startRegistry } from "../tests/integration/oci-registry.ts";
import { banger, root } from "./built.ts";

export const MiB: number = 1024 ** 2;

/** One pull, or one unpacking by the tools. */
export interface Taken {
  ms: number;
  /** Most that the files in its directories took at once, in bytes. */
  diskBytes: number;
  /** Most memory of one process that did it, in bytes. */
  memoryBytes: number;
}

export interface OciBed {
  /** A daemon with empty directories, started but idle. */
  fresh(): Puller;
  /** Directories for the tools. */
  tools(): Tools;
  /** Ends the registry; nothing is left. */
  end(): Promise<void>;
}

export interface Puller {
  pull(tag: string): Promise<Taken>;
  /** Of the root file system that a pull has made. */
  rootBytes(tag: string): number;
  end(): void;
}

export interface Tools {
  unpack(tag: string, rootBytes: number): Promise<Taken>;
  end(): void;
}

/** The layout of images that `script` makes, once for all runs. */
export function builtLayout(script: string): string {
  const layout = join(root, "build/bench", script.replace(/\.sh$/, ""));
  if (existsSync(layout)) return layout;
  mkdirSync(join(root, "build/bench"), { recursive: true });
  process.stderr.write(`building the images of ${script} ...\n`);
  run(join(import.meta.dir, script), [layout]);
  return layout;
}

export async function ociBed(layouts: Record<string, readonly string[]>): Promise<OciBed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-bench-oci-"));
  const { registry, end } = await startRegistry(dir);
  const source = (tag: string) => `docker://${registry}/bench/app:${tag}`;
  for (const [layout, tags] of Object.entries(layouts)) {
    for (const tag of tags) skopeo("copy", "--dest-tls-verify=false", `oci:${layout}:${tag}`, source(tag));
  }
  let made = 0;
  const place = () => {
    made += 1;
    const own = join(dir, `place-${made}`);
    mkdirSync(own);
    return own;
  };
  return {
    fresh: () => puller(place(), `${registry}/bench/app`),
    tools: () => tools(place(), source),
    end: async () => {
      await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function puller(dir: string, repository: string): Puller {
  const env = {
    ...{ PATH: process.env.PATH ?? "", HOME: dir, LANG: "C.UTF-8", XDG_STATE_HOME: join(dir, "s") },
    ...{ XDG_RUNTIME_DIR: join(dir, "r"), XDG_CONFIG_HOME: join(dir, "c"), XDG_CACHE_HOME: join(dir, "h") },
  };
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  plantKernel(join(env.XDG_STATE_HOME, "banger/kernels"));
  const said = (...args: string[]) => spawnSync(banger, args, { env, cwd: dir, encoding: "utf8" }).stdout;
  said("image", "list");
  const { pid } = JSON.parse(said("daemon", "status", "--json")) as { pid: number };
  return {
    pull: async (tag) => {
      const disk = sampled([env.XDG_STATE_HOME, env.XDG_CACHE_HOME]);
      const ms = await timed(banger, ["image", "pull", `${repository}:${tag}`, "--name", tag], {
        env,
        cwd: dir,
      });
      return { ms, diskBytes: await disk.end(), memoryBytes: peakOf(pid) };
    },
    rootBytes: (tag) =>
      statSync(join((JSON.parse(said("image", "show", tag)) as { path: string }).path, "rootfs.ext4")).size,
    end: () => {
      said("daemon", "stop");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function tools(dir: string, source: (tag: string) => string): Tools {
  const layout = join(dir, "layout");
  return {
    unpack: async (tag, rootBytes) => {
      const bundle = join(dir, `bundle-${tag}`);
      const disk = join(dir, `${tag}.ext4`);
      const lazy = ["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];
      const commands: [string, string[]][] = [
        [
          "skopeo",
          ["--insecure-policy", "copy", "-q", "--src-tls-verify=false", source(tag), `oci:${layout}:${tag}`],
        ],
        ["umoci", ["unpack", "--image", `${layout}:${tag}`, bundle]],
        [
          "mke2fs",
          [
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            ...lazy,
            "-d",
            join(bundle, "rootfs"),
            disk,
            `${rootBytes / 1024}K`,
          ],
        ],
      ];
      let memoryBytes = 0;
      const started = performance.now();
      for (const [program, args] of commands) memoryBytes = Math.max(memoryBytes, run(program, args));
      const ms = performance.now() - started;
      // They only add: all that they have made is there in the end.
      return { ms, diskBytes: diskUse(dir), memoryBytes };
    },
    end: () => void run("rm", ["-rf", dir]),
  };
}

/** Of a hundred thousand files, which this process would take minutes for. */
function diskUse(dir: string): number {
  return Number.parseInt(Bun.spawnSync(["du", "-s", "--block-size=1", dir]).stdout.toString(), 10);
}

/** What is written belongs to who wrote it: the disk is idle when the next one begins. */
export function settle(): void {
  run("sync", []);
}

/** Peak memory in bytes. Throws with what it said when it fails. */
function run(program: string, args: readonly string[]): number {
  const done = Bun.spawnSync([program, ...args], { stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${program}: ${done.stderr.toString()}`);
  return done.resourceUsage.maxRSS;
}

function skopeo(...args: string[]): void {
  run("skopeo", ["--insecure-policy", ...args]);
}

function timed(
  program: string,
  args: readonly string[],
  options: { env: Record<string, string>; cwd: string },
): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (text: Buffer) => {
      said += text;
    });
    child.once("exit", (status) => {
      if (status === 0) resolve(performance.now() - started);
      else reject(new Error(`${program} ${args.join(" ")}: ${said}`));
    });
  });
}

/** Looks ten times a second: banger's directories have a dozen files. */
function sampled(directories: readonly string[]): { end(): Promise<number> } {
  let most = 0;
  const look = async () => {
    let now = 0;
    for (const directory of directories) now += await allocatedIn(directory);
    most = Math.max(most, now);
  };
  const timer = setInterval(look, 100);
  return {
    end: async () => {
      clearInterval(timer);
      await look();
      return most;
    },
  };
}

function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
