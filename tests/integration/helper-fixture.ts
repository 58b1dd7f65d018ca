/** A root helper in this process, at places of its own, for an owner who has no name. Needs root. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../src/base/base.ts";
import { ImageId, KernelId, newVmId } from "../../src/base/ids.ts";
import { formatInstall } from "../../src/config/config.ts";
import { Locks } from "../../src/helper/locks.ts";
import type { Site } from "../../src/helper/operation.ts";
import type { Places } from "../../src/helper/places.ts";
import { openSite, startHelper } from "../../src/helper/run.ts";
import { connectHelper, type HelperClient, type Server } from "../../src/rpc/rpc.ts";

export const isRoot = process.getuid?.() === 0;
/** Ids that nobody on any host has. */
export const owner = { uid: 61_184, gid: 61_184 };
export const stranger = { uid: 61_185, gid: 61_185 };

export interface LogLine {
  level: string;
  message: string;
  facts: Record<string, unknown>;
}

export interface Bed {
  root: string;
  places: Places;
  site: Site;
  server: Server;
  client: HelperClient;
  log: LogLine[];
  image: ImageId;
  kernel: KernelId;
  initramfs: string;
  /** A VM's directory with its disks, the owner's. */
  newVm(): VmId;
  close(): Promise<void>;
}

const image = ImageId.parse(`sha256:${"1a".repeat(32)}`);
const kernel = KernelId.parse(`sha256:${"2b".repeat(32)}`);
const initramfs = `initramfs-${"3c".repeat(16)}.cpio`;

/** The cgroup2 file system, wherever it is mounted. */
function cgroup2(): string {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
  if (mount === undefined) throw new Error("this host has no cgroup2 file system");
  return mount;
}

export async function makeBed(): Promise<Bed> {
  // Not below /tmp: what root trusts is below directories that are root's alone.
  const root = mkdtempSync("/var/lib/banger-test-");
  chmodSync(root, 0o755);
  const cgroups = mkdtempSync(join(cgroup2(), "banger-test-"));
  const places: Places = {
    install: join(root, "etc/install.toml"),
    config: join(root, "etc/config.toml"),
    socket: join(root, "run/bangerd-root.sock"),
    state: join(root, "state"),
    jails: join(root, "jails"),
    cgroups,
    // As an installed Firecracker is found: by a link to its version.
    programs: [join(root, "current")],
    mapper: join(root, "mapper"),
  };
  for (const directory of ["etc", "bin", "mapper"]) mkdirSync(join(root, directory), { mode: 0o755 });
  symlinkSync("bin", join(root, "current"));
  writeFileSync(places.install, formatInstall(installOf()), { mode: 0o644 });
  ownersDirectory(places.state);
  ownersFile(join(places.state, "images", image.slice(7), "rootfs.ext4"), 4 << 20, 0o400);
  ownersFile(join(places.state, "kernels", kernel.slice(7), "vmlinux"), 4096);
  ownersFile(join(places.state, "kernels", kernel.slice(7), initramfs), 4096);

  const log: LogLine[] = [];
  const note =
    (level: string) =>
    (message: string, facts: Record<string, unknown> = {}) =>
      void log.push({ level, message, facts });
  const keep = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
  const server = await startHelper(places, keep);
  const client = await connectHelper(places.socket);
  return {
    root,
    places,
    site: { ...openSite(places, keep), locks: new Locks() },
    server,
    client,
    log,
    image,
    kernel,
    initramfs,
    newVm: () => {
      const vm = newVmId();
      ownersFile(join(places.state, "vms", vm, "root.cow"), 1 << 20);
      ownersFile(join(places.state, "vms", vm, "work.ext4"), 1 << 20);
      return vm;
    },
    close: async () => {
      client.close();
      server.close();
      removeCgroups(cgroups);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export function installOf() {
  return {
    owner: "nobody-here",
    ...owner,
    home: "/home/nobody-here",
    version: "0.1.0",
    commit: "12345678",
    built_at: "2026-01-01T00:00:00Z",
    installed_at: "2026-01-01T00:00:00Z",
  };
}

function removeCgroups(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroups(join(path, entry.name));
  rmdirSync(path);
}

export function ownersDirectory(path: string): void {
  mkdirSync(path, { mode: 0o755 });
  chownSync(path, owner.uid, owner.gid);
}

/** Makes the directories above it, too, the owner's. */
export function ownersFile(path: string, size: number, mode = 0o600): void {
  const parents: string[] = [];
  for (let at = join(path, ".."); !exists(at); at = join(at, "..")) parents.unshift(at);
  for (const parent of parents) ownersDirectory(parent);
  writeFileSync(path, Buffer.alloc(size), { mode });
  chownSync(path, owner.uid, owner.gid);
}

function exists(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A program run as somebody else, for two minutes at most; perl-base is part of every Debian. */
export function perlAs(user: { uid: number; gid: number }, script: string, ...args: string[]): ChildProcess {
  const words = [
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    "--clear-groups",
    "perl",
    "-e",
    `alarm 120; ${script}`,
    ...args,
  ];
  return spawn("setpriv", words, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Ends a process of ours and waits until it is gone. */
export async function ended(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await closed;
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
  );
}
