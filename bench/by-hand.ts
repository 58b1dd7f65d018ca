/** The same machine as banger's, started by hand: QEMU with the same arguments, and a script that speaks to the agent. */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { newVmId } from "../src/base/ids.ts";
import { emptyOverlay } from "../src/disk/qcow2.ts";
import { openAgentSession } from "../src/guest/guest.ts";
import { bootCmdline } from "../src/kernel/kernel.ts";
import { qemuArguments, runFiles } from "../src/vmm/qemu/arguments.ts";
import { connectQmp } from "../src/vmm/qemu/qmp.ts";
import { resume } from "../src/vmm/qemu/save.ts";
import { tscKhz } from "../src/vmm/qemu/tsc.ts";
import { root } from "./built.ts";
import { scratch } from "./world.ts";

const store = join(root, "build/e2e/banger");
const digest = (dir: string) =>
  readdirSync(join(store, dir)).filter((name) => /^[0-9a-f]{64}$/.test(name))[0] ?? "";

function parts() {
  const kernel = join(store, "kernels", digest("kernels"));
  const initramfs = readdirSync(kernel).find((name) => name.startsWith("initramfs-")) ?? "";
  return {
    kernel: join(kernel, "vmlinux"),
    initramfs: join(kernel, initramfs),
    rootfs: join(store, "images", digest("images"), "rootfs.ext4"),
  };
}

/** From QEMU's start to the first output of `echo`, in ms. */
export async function bareAgent(): Promise<number> {
  const { kernel, initramfs, rootfs } = parts();
  const dir = join(scratch, "bare");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, "root.qcow2"), emptyOverlay(rootfs, 8 * 1024 ** 3));
  spawnWork(join(dir, "work.ext4"));
  const args = qemuArguments(
    {
      ...{
        id: newVmId(),
        name: "bare",
        vcpu: 2,
        memoryMiB: 1024,
        kernel,
        initramfs,
        cmdline: bootCmdline,
        egress: "none",
      },
      disks: [
        { path: join(dir, "root.qcow2"), format: "qcow2", readOnly: false },
        { path: join(dir, "work.ext4"), format: "raw", readOnly: false },
      ],
      ...{ runDir: dir, consoleLog: join(dir, "console"), vmmLog: join(dir, "vmm") },
    },
    { name: "tcg", tscKhz: await tscKhz() },
  );
  const started = performance.now();
  const qemu = spawn("qemu-system-x86_64", args, { stdio: "ignore" });
  try {
    const session = await openAgentSession(await dial(runFiles(dir).agent));
    const person = {
      hostname: "bare",
      machineId: "0123456789abcdef0123456789abcdef",
      files: [],
      clock: "host" as const,
    };
    await session.personalise({
      ...person,
      entropy: new Uint8Array(64),
      network: { address: "10.0.2.15", prefix: 24 },
    });
    const child = await session.exec({ argv: ["echo", "x"] });
    child.stdin.end();
    await new Promise((resolve) => child.stdout.once("data", resolve));
    return performance.now() - started;
  } finally {
    qemu.kill("SIGKILL");
    await new Promise((resolve) => qemu.once("close", resolve));
  }
}

/**
 * The same template, gone on from by a script: from QEMU's start to the end of `true`, in ms. Nobody is told who it is,
 * which no user could do without. The copies of the disks are made before.
 */
export async function bareRestore(template: string): Promise<number> {
  const { kernel, initramfs } = parts();
  const dir = join(scratch, "restored");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  for (const disk of ["root.qcow2", "work.ext4"])
    Bun.spawnSync(["cp", "--sparse=always", "--reflink=auto", join(template, disk), dir]);
  const spec = {
    ...{ id: newVmId(), name: "restored", vcpu: 2, memoryMiB: 512, kernel, initramfs, cmdline: bootCmdline },
    egress: "none" as const,
    disks: [
      { path: join(dir, "root.qcow2"), format: "qcow2" as const, readOnly: false },
      { path: join(dir, "work.ext4"), format: "raw" as const, readOnly: false },
    ],
    ...{ runDir: dir, consoleLog: join(dir, "console"), vmmLog: join(dir, "vmm") },
    memory: { path: join(template, "memory"), use: "map" as const },
    restore: { state: join(template, "state") },
  };
  const args = qemuArguments(spec, { name: "tcg", tscKhz: await tscKhz() });
  const state = openSync(spec.restore.state, "r");
  const started = performance.now();
  const qemu = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "ignore", "ignore", state] });
  closeSync(state);
  try {
    await appeared(runFiles(dir).qmp);
    const qmp = await connectQmp(runFiles(dir).qmp);
    await resume(qmp);
    const session = await openAgentSession(await dial(runFiles(dir).agent));
    const child = await session.exec({ argv: ["true"] });
    child.stdin.end();
    for (const stream of [child.stdout, child.stderr]) stream.resume();
    await child.exit;
    return performance.now() - started;
  } finally {
    qemu.kill("SIGKILL");
    await new Promise((resolve) => qemu.once("close", resolve));
  }
}

async function appeared(path: string): Promise<void> {
  while (!existsSync(path)) await Bun.sleep(2);
}

function spawnWork(path: string): void {
  const seed = Bun.spawnSync(["sh", "-c", 'truncate -s 8G "$1" && mke2fs -q -F -t ext4 "$1"', "sh", path]);
  if (seed.exitCode !== 0) throw new Error("mke2fs failed");
}

async function dial(path: string): Promise<Socket> {
  await appeared(path);
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** From QEMU's start to sshd's banner of the stock image, in ms: what a guest costs whose units nobody has looked at. */
export async function stockSsh(image: string): Promise<number> {
  const { kernel, initramfs } = parts();
  const overlay = join(scratch, "stock.qcow2");
  writeFileSync(overlay, emptyOverlay(image, 8 * 1024 ** 3));
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const started = performance.now();
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...[
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "q35",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
      ],
      ...[
        "-smp",
        "2",
        "-m",
        "1024",
        "-kernel",
        kernel,
        "-initrd",
        initramfs,
        "-append",
        "root=/dev/vda rw console=ttyS0 quiet",
      ],
      ...["-serial", "null", "-drive", `file=${overlay},format=qcow2,if=virtio`, "-device", "virtio-rng-pci"],
      ...["-netdev", `user,id=n,hostfwd=tcp:127.0.0.1:${port}-:22`, "-device", "virtio-net-pci,netdev=n"],
    ],
    { stdio: "ignore" },
  );
  try {
    while (!(await banner(port))) await Bun.sleep(20);
    return performance.now() - started;
  } finally {
    qemu.kill("SIGKILL");
    await new Promise((resolve) => qemu.once("close", resolve));
  }
}

/** True when something that speaks ssh answers. QEMU accepts at once and waits for the guest: so do we, for a while. */
function banner(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const finish = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(30_000, () => finish(false));
    socket.once("data", (bytes) => finish(bytes.toString().startsWith("SSH-")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
  });
}

/** Debian's own packages with their own units: networkd, sshd, host keys, and no change beyond that. Built once. */
export function stockImage(): string {
  const path = join(root, "build/bench/stock.ext4");
  if (existsSync(path)) return path;
  mkdirSync(join(root, "build/bench"), { recursive: true });
  const catalog = JSON.parse(readFileSync(join(root, "images/catalog.json"), "utf8"));
  const packages = catalog.images[0].packages.join(",");
  const { exitCode } = Bun.spawnSync(["sh", join(root, "bench/stock-image.sh"), packages, path], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (exitCode !== 0) throw new Error("the stock image could not be built");
  return path;
}
