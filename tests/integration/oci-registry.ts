/** Debian's docker-registry on loopback, and a banger of its own beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = join(import.meta.dir, "../..");

export interface OciBed {
  dir: string;
  /** HOST:PORT of the registry. */
  registry: string;
  /** Its access log so far. */
  log(): string;
  banger(...args: string[]): { status: number; out: string; err: string };
  /** The same, while this process goes on: its status. */
  start(...args: string[]): Promise<number>;
  /** Bytes of blobs that are on their way into the cache. */
  partialBytes(): number;
  until(condition: () => boolean): Promise<void>;
  skopeo(...args: string[]): void;
  end(): Promise<void>;
}

export interface BedOptions {
  /** Who may ask the registry, with their passwords; undefined: everybody. */
  users?: Record<string, string>;
  /** banger is run by a user without any rights (this process is root then). */
  unprivileged?: boolean;
}

const nobody = 65534;

export async function ociBed({ users, unprivileged = false }: BedOptions = {}): Promise<OciBed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
  const server = await startRegistry(dir, users);
  const { registry } = server;
  plantKernel(join(dir, "state/banger/kernels"));
  const env = {
    PATH: `${join(dir, "bin")}:${process.env.PATH ?? ""}`,
    HOME: dir,
    XDG_STATE_HOME: join(dir, "state"),
    XDG_CACHE_HOME: join(dir, "cache"),
    XDG_CONFIG_HOME: join(dir, "config"),
    XDG_RUNTIME_DIR: join(dir, "run"),
  };
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  let command = [process.execPath, join(root, "src/main.ts")];
  if (unprivileged) {
    for (const path of [dir, ...readdirSync(dir, { recursive: true, encoding: "utf8" })])
      chownSync(resolve(dir, path), nobody, nobody);
    const ids = [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
    command = ["setpriv", ...ids, "--inh-caps=-all", "--bounding-set=-all", ...command];
  }
  const banger: OciBed["banger"] = (...args) => {
    const run = Bun.spawnSync([...command, ...args], { cwd: dir, env });
    return { status: run.exitCode, out: run.stdout.toString(), err: run.stderr.toString() };
  };
  const blobs = join(dir, "cache/banger/oci/blobs/sha256");
  return {
    dir,
    registry,
    banger,
    start: (...args) =>
      Bun.spawn([...command, ...args], { cwd: dir, env, stdout: "ignore", stderr: "ignore" }).exited,
    partialBytes: () => {
      const parts = existsSync(blobs) ? readdirSync(blobs).filter((name) => name.endsWith(".partial")) : [];
      return parts.reduce((sum, name) => sum + statSync(join(blobs, name)).size, 0);
    },
    until: async (condition) => {
      while (!condition()) await Bun.sleep(20);
    },
    log: () => readFileSync(join(dir, "registry.log"), "utf8"),
    skopeo: (...args) => {
      const run = Bun.spawnSync(["skopeo", "--insecure-policy", ...args], { cwd: dir });
      if (run.exitCode !== 0) throw new Error(run.stderr.toString());
    },
    end: async () => {
      banger("daemon", "stop");
      await server.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface RunningRegistry {
  /** HOST:PORT */
  registry: string;
  end(): Promise<void>;
}

/** With its files, and its access log (registry.log), in `dir`. */
export async function startRegistry(dir: string, users?: Record<string, string>): Promise<RunningRegistry> {
  const registry = `localhost:${await freePort()}`;
  const config = join(dir, "registry.yml");
  const passwords = join(dir, "htpasswd");
  writeFileSync(
    config,
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${dir}/registry}}\nhttp: {addr: "${registry}"}\n${
      users === undefined ? "" : `auth: {htpasswd: {realm: test, path: ${passwords}}}\n`
    }`,
  );
  const lines = Object.entries(users ?? {}).map(
    ([name, password]) => `${name}:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 })}\n`,
  );
  if (users !== undefined) writeFileSync(passwords, lines.join(""));
  // A file: the tests' own commands are waited for, and nothing is read meanwhile.
  const log = openSync(join(dir, "registry.log"), "w");
  const server = spawn("docker-registry", ["serve", config], { stdio: ["ignore", log, log] });
  closeSync(log);
  await answers(registry, server);
  return {
    registry,
    end: async () => {
      server.kill();
      await new Promise((resolve) => server.once("exit", resolve));
    },
  };
}

/** What an image belongs to; nothing boots it here. */
export function plantKernel(kernels: string): void {
  const digest = "c".repeat(64);
  mkdirSync(join(kernels, digest), { recursive: true });
  const manifest = {
    id: `sha256:${digest}`,
    name: "debian-cloud-6.1",
    arch: "amd64",
    release: "6.1",
    source: "a test",
    createdAt: "2026-01-01T00:00:00.000Z",
  };
  writeFileSync(join(kernels, digest, "manifest.json"), JSON.stringify(manifest));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function answers(registry: string, server: ChildProcess): Promise<void> {
  while (server.exitCode === null) {
    const answer = await fetch(`http://${registry}/v2/`).catch(() => undefined);
    if (answer?.ok || answer?.status === 401) return;
    await Bun.sleep(50);
  }
  throw new Error("docker-registry does not start");
}
