/** Publishing into a directory that is served on loopback: a banger that makes, and clean ones that pull. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sealImage } from "../../src/image/store.ts";
import { sendBlob } from "../../src/oci/testing/registry.ts";
import { stageDirectory } from "../../src/sys/sys.ts";
import { tinyKernel } from "./tiny-kernel.ts";

const root = join(import.meta.dir, "../..");
export const release = "6.12.1-tiny";

export interface Finished {
  status: number;
  out: string;
  err: string;
}

/** A banger with directories of its own. */
export interface World {
  dir: string;
  banger(...args: string[]): Promise<Finished>;
  /** Names in the store's directory of images, and in that of kernels; hidden ones, too. */
  stored(kind: "images" | "kernels"): string[];
  /** Bytes of downloads that are on their way, or were left. */
  partialBytes(): number;
}

export interface Site {
  dir: string;
  url: string;
  /** "METHOD PATH [RANGE]" */
  requests: string[];
  /** Answers before the site does; true when it has. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** No more answers. */
  close(): void;
}

export async function openSite(dir: string): Promise<Site> {
  mkdirSync(dir, { recursive: true });
  const server = createServer((request, response) => {
    const { method, url = "", headers } = request;
    site.requests.push([method, url, headers.range].filter((word) => word !== undefined).join(" "));
    if (site.intercept(request, response)) return;
    const path = join(dir, url);
    if (!existsSync(path)) response.writeHead(404).end();
    else if (method === "HEAD") response.writeHead(200, { "content-length": statSync(path).size }).end();
    else sendBlob(response, readFileSync(path), headers.range);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const site: Site = {
    ...{ dir, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests: [] },
    intercept: () => false,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return site;
}

export interface PublishBed {
  dir: string;
  /** Has the image `team` and the kernel `tiny`. */
  maker: World;
  /** One that has seen nothing yet, with this for its config.toml. */
  clean(config: string): World;
  /** `[[catalog]]` for `source`, signed by a key that was made for these tests. */
  trusting(source: string): string;
  signKey: string;
  otherKey: string;
  /** A script of scripts/, with the maker's store. */
  publish(what: "image" | "kernel", ...args: string[]): Promise<Finished>;
  /** Ends the daemons, and removes everything. */
  end(): Promise<void>;
}

export async function publishBed(): Promise<PublishBed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-publish-"));
  const worlds: World[] = [];
  // As somebody has it in the PATH.
  const program = join(dir, "banger");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${root}/src/main.ts" "$@"\n`);
  chmodSync(program, 0o755);
  const open = (name: string, config: string) => {
    const world = openWorld(join(dir, name), config);
    worlds.push(world);
    return world;
  };
  const maker = open("maker", "");
  await makeKernel(maker);
  await makeImage(join(maker.dir, "state/banger/images"), await kernelId(maker));
  const [signKey, otherKey] = [makeKey(join(dir, "key.pem")), makeKey(join(dir, "other.pem"))];
  return {
    ...{ dir, maker, signKey, otherKey },
    clean: (config) => open(`clean-${worlds.length}`, config),
    trusting: (source) => {
      const pem = execFileSync("openssl", ["ec", "-in", signKey, "-pubout"], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      return `[[catalog]]\nsource = "${source}"\nkey = """\n${pem}"""\n`;
    },
    publish: (what, ...args) =>
      finished(
        [process.execPath, join(root, `scripts/publish-${what}.ts`), ...args, "--banger", program],
        maker.dir,
        {
          ...environment(maker.dir),
        },
      ),
    end: async () => {
      for (const world of worlds) await world.banger("daemon", "stop");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function environment(dir: string): Record<string, string> {
  return {
    ...{ PATH: process.env.PATH ?? "", HOME: dir, TMPDIR: dir, XDG_STATE_HOME: join(dir, "state") },
    ...{
      XDG_CACHE_HOME: join(dir, "cache"),
      XDG_CONFIG_HOME: join(dir, "config"),
      XDG_RUNTIME_DIR: join(dir, "run"),
    },
  };
}

function openWorld(dir: string, config: string): World {
  mkdirSync(join(dir, "config/banger"), { recursive: true });
  mkdirSync(join(dir, "run"), { mode: 0o700 });
  writeFileSync(join(dir, "config/banger/config.toml"), config);
  const blobs = join(dir, "cache/banger/oci/blobs/sha256");
  const names = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  return {
    dir,
    banger: (...args) =>
      finished([process.execPath, join(root, "src/main.ts"), ...args], dir, environment(dir)),
    stored: (kind) => names(join(dir, "state/banger", kind)),
    partialBytes: () =>
      names(blobs)
        .filter((name) => name.endsWith(".partial"))
        .reduce((sum, name) => sum + statSync(join(blobs, name)).size, 0),
  };
}

/** Not waited for in one piece: the server that it may ask is in this process. */
async function finished(command: string[], cwd: string, env: Record<string, string>): Promise<Finished> {
  const child = Bun.spawn(command, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, out, err };
}

/** With the drivers built in that a guest needs, as it says, and so without modules. */
async function makeKernel(maker: World): Promise<void> {
  const from = join(maker.dir, "linux");
  const modules = join(from, "lib/modules", release);
  mkdirSync(modules, { recursive: true });
  writeFileSync(
    join(from, "vmlinux"),
    Buffer.concat([tinyKernel("halts"), Buffer.from(`Linux version ${release} (a@b) `)]),
  );
  mkdirSync(join(modules, "kernel"));
  writeFileSync(join(modules, "kernel/none.ko"), "no module");
  const drivers = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"];
  const builtIn = [...drivers, "fs/ext4/ext4"].map((driver) => `kernel/${driver}.ko\n`).join("");
  writeFileSync(join(modules, "modules.builtin"), builtIn);
  const { status, err } = await maker.banger("kernel", "import", "tiny", "--from", from);
  if (status !== 0) throw new Error(err);
}

async function kernelId(maker: World): Promise<string> {
  return JSON.parse((await maker.banger("kernel", "show", "tiny")).out).id;
}

/** 24 MB, of which 8 are a file that cannot be packed. */
async function makeImage(images: string, kernel: string): Promise<void> {
  await stageDirectory(images, async (staging) => {
    const tree = join(staging, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "noise"), randomBytes(8_000_000));
    execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", tree, join(staging, "rootfs.ext4"), "24M"]);
    rmSync(tree, { recursive: true });
    mkdirSync(join(staging, "seed"));
    writeFileSync(join(staging, "seed/.profile"), "# the team's\n");
    const digest = createHash("sha256").update("team").digest("hex");
    const known = {
      id: `sha256:${digest}`,
      name: "team",
      revision: 0,
      distro: "debian",
      arch: "amd64" as const,
    };
    await sealImage(staging, { ...known, kernel: { id: kernel, name: "tiny" } });
    return digest;
  });
}

function makeKey(path: string): string {
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path]);
  return path;
}
