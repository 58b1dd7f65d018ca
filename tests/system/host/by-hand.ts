/**
 * Runs inside the emulated host, as root: a guest started by nothing but jailer and Firecracker's API, which is what
 * banger's own start is measured against. One argument, JSON (see ByHand); prints a ByHandResult as JSON.
 *
 * Firecracker's host end of vsock is a unix socket. Who connects to it says "CONNECT port\n" and is told "OK port\n"; as
 * long as nobody listens in the guest, the connection is closed instead (docs/vsock.md of Firecracker).
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

export interface ByHand {
  id: string;
  vmlinux: string;
  initramfs: string;
  /** Copied into the jail, and written by the guest. */
  rootfs: string;
  cmdline: string;
  vcpu: number;
  memoryMiB: number;
  /** A TAP device that is there, or none. */
  tap?: string;
  vsockPort: number;
}

export interface ByHandResult {
  /** From the start of jailer: the API answers, it has been told everything, the agent said hello. */
  apiMs: number;
  startedMs: number;
  helloMs: number;
  /** From Ctrl-Alt-Del to the end of the process, and its exit status. */
  endMs: number;
  status: number | null;
  console: string;
}

const owner = 1000;
const base = "/srv/by-hand";
const limitMs = 120_000;

async function byHand(asked: ByHand): Promise<ByHandResult> {
  const jail = join(base, "firecracker", asked.id, "root");
  rmSync(join(jail, ".."), { recursive: true, force: true });
  mkdirSync(jail, { recursive: true, mode: 0o711 });
  linkSync(asked.vmlinux, join(jail, "vmlinux"));
  copyFileSync(asked.initramfs, join(jail, "initramfs"));
  copyFileSync(asked.rootfs, join(jail, "rootfs.ext4"));
  chmodSync(join(jail, "rootfs.ext4"), 0o600);
  chownSync(join(jail, "rootfs.ext4"), owner, owner);
  chownSync(join(jail, "initramfs"), owner, owner);

  const begun = performance.now();
  const since = () => Math.round(performance.now() - begun);
  const jailer = spawn(
    "jailer",
    [
      ...[
        "--id",
        asked.id,
        "--exec-file",
        "/usr/local/bin/firecracker",
        "--uid",
        `${owner}`,
        "--gid",
        `${owner}`,
      ],
      ...["--chroot-base-dir", base, "--cgroup-version", "2", "--parent-cgroup", "by-hand"],
      ...["--cgroup", `memory.max=${(asked.memoryMiB + 128) * 1024 ** 2}`, "--cgroup", "pids.max=64"],
      ...["--", "--api-sock", "/run/firecracker.socket"],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const said: Buffer[] = [];
  for (const stream of [jailer.stdout, jailer.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
  const words = () => Buffer.concat(said).toString("latin1");
  const ended = new Promise<number | null>((resolve) => jailer.on("close", resolve));
  try {
    const api = join(jail, "run/firecracker.socket");
    let over = false;
    ended.then(() => {
      over = true;
    });
    const until = (what: string, holds: () => Promise<boolean> | boolean) =>
      eventually(what, words, async () => {
        if (over) throw new Error(`Firecracker has ended; it and the guest said:\n${words()}`);
        return holds();
      });
    await until("the API's socket", () => existsSync(api) && accepts(api));
    const apiMs = since();
    await configure(api, asked);
    const startedMs = since();
    const vsock = join(jail, "run/vsock.sock");
    await until("the agent's hello", () => hello(vsock, asked.vsockPort));
    const helloMs = since();
    await put(api, "/actions", { action_type: "SendCtrlAltDel" });
    const status = await Promise.race([ended, Bun.sleep(30_000).then(() => null)]);
    return { apiMs, startedMs, helloMs, endMs: since() - helloMs, status, console: words() };
  } finally {
    jailer.kill("SIGKILL");
    await ended;
    rmSync(join(jail, ".."), { recursive: true, force: true });
    const group = `/sys/fs/cgroup/by-hand/${asked.id}`;
    if (existsSync(group)) rmdirSync(group);
  }
}

async function configure(api: string, { cmdline, vcpu, memoryMiB, tap }: ByHand): Promise<void> {
  await put(api, "/machine-config", { vcpu_count: vcpu, mem_size_mib: memoryMiB });
  await put(api, "/boot-source", {
    kernel_image_path: "/vmlinux",
    initrd_path: "/initramfs",
    boot_args: cmdline,
  });
  await put(api, "/drives/root", {
    drive_id: "root",
    path_on_host: "/rootfs.ext4",
    is_root_device: false,
    is_read_only: false,
  });
  if (tap !== undefined) await put(api, "/network-interfaces/eth0", { iface_id: "eth0", host_dev_name: tap });
  await put(api, "/vsock", { guest_cid: 3, uds_path: "/run/vsock.sock" });
  await put(api, "/entropy", {});
  await put(api, "/actions", { action_type: "InstanceStart" });
}

async function put(unix: string, path: string, body: object): Promise<void> {
  const answer = await fetch(`http://localhost${path}`, { unix, method: "PUT", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`);
}

async function eventually(
  what: string,
  words: () => string,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > end)
      throw new Error(`${what} did not come; Firecracker and the guest said:\n${words()}`);
    await Bun.sleep(5);
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Preamble and echo as in docs/agent-protocol.md. */
function hello(path: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const nonce = randomBytes(16);
    const socket = connect(path, () => socket.write(`CONNECT ${port}\n`));
    socket.setTimeout(5000, () => socket.destroy());
    let got = Buffer.alloc(0);
    let connected = false;
    socket.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (!connected && got.toString("latin1").startsWith("OK ") && got.includes("\n")) {
        connected = true;
        socket.write(Buffer.concat([Buffer.from("BNGRSYN1"), nonce]));
      }
      if (got.includes(Buffer.concat([Buffer.from("BNGRACK1"), nonce]))) {
        resolve(true);
        socket.destroy();
      }
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}

if (import.meta.main) {
  const asked: ByHand = JSON.parse(process.argv[2] ?? "");
  process.stdout.write(JSON.stringify(await byHand(asked)));
}
