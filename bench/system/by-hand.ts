/**
 * The same machine as banger's, started by hand in the emulated host: its disks made with losetup and dmsetup beforehand,
 * jailer with banger's arguments, Firecracker told what banger tells it, and a script that speaks to the agent.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../src/base/base.ts";
import { newVmId } from "../../src/base/ids.ts";
import { type GuestSession, openAgentSession } from "../../src/guest/guest.ts";
import { jailerArguments } from "../../src/helper/machine/jailer.ts";
import { bootCmdline } from "../../src/kernel/cmdline.ts";
import { jailFiles } from "../../src/rpc/helper-contract.ts";
import { FirecrackerApi } from "../../src/vmm/firecracker/api.ts";
import { agentPort } from "../../src/vmm/firecracker/cmdline.ts";
import { machineRequests, restoreRequests } from "../../src/vmm/firecracker/configure.ts";
import { runFiles } from "../../src/vmm/firecracker/jailer.ts";
import { connectVsock } from "../../src/vmm/firecracker/vsock.ts";
import type { MachineSpec } from "../../src/vmm/vmm.ts";

const store = "/var/lib/banger";
const owner = { uid: 1000, gid: 1000 };
/** On the file system of the store, so that a kernel is linked into the jail, as banger does it. */
const base = join(store, "by-hand");
const tap = "by-hand";
const mac = "02:00:00:00:00:01";
export const stockCmdline = [
  "root=/dev/vda",
  "rw",
  "console=ttyS0",
  "quiet",
  "reboot=k",
  "panic=1",
  "pci=off",
];

export interface MachineByHand {
  vcpu: number;
  memoryMiB: number;
  /** An image of the store by its name, or the path of an ext4 file. */
  rootfs: string;
  /** Of the snapshot; banger's own when absent. */
  chunkSectors?: number;
  /** Instead of banger's own. */
  cmdline?: readonly string[];
  /** Directory of a template of banger's, from which it goes on. */
  template?: string;
}

export interface StartedByHand {
  /** From the start of jailer, in ms. */
  since(): number;
  pid: number;
  agent(): Promise<GuestSession>;
  /** Sectors of the root disk's layer that are in use. */
  usedSectors(): number;
  end(): Promise<void>;
}

export function sh(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("sh", ["-euc", script, "sh", ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script}\nended with ${status}: ${stderr}`);
  return stdout.trim();
}

export function imageDirectory(name: string): string {
  const images = join(store, "images");
  const found = readdirSync(images).find((entry) => {
    const manifest = join(images, entry, "manifest.json");
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === name;
  });
  if (found === undefined) throw new Error(`no image ${name} in ${images}`);
  return join(images, found);
}

function kernelFiles(): { kernel: string; initramfs: string } {
  const [digest] = readdirSync(join(store, "kernels")).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const directory = join(store, "kernels", digest ?? "");
  const initramfs = readdirSync(directory).find((name) => name.startsWith("initramfs-"));
  if (initramfs === undefined) throw new Error("banger has not made its initramfs yet");
  return { kernel: join(directory, "vmlinux"), initramfs: join(directory, initramfs) };
}

/** A device with the image below and the layer above it; made before the clock starts. Its number, major and minor. */
function makeRoot(rootfs: string, layer: string, chunkSectors: number): string {
  // The loop devices go when the device over them does.
  return sh(
    `low=$(losetup --find --show --read-only "$1"); high=$(losetup --find --show "$2")
dmsetup create by-hand --table "0 $(blockdev --getsz "$low") snapshot $low $high P $3"
losetup --detach "$low" "$high"
dmsetup info --columns --noheadings --separator ' ' -o major,minor by-hand`,
    rootfs,
    layer,
    String(chunkSectors),
  );
}

/** Takes away what a machine by hand consists of, also one of a run that was killed. */
export function clean(): void {
  sh(
    `awk '$2 ~ "^${base}/" { print $2 }' /proc/mounts | xargs -r umount
dmsetup remove --retry by-hand 2>/dev/null || true; ip link del ${tap} 2>/dev/null || true`,
  );
  rmSync(base, { recursive: true, force: true });
}

/** Starts it; returns when Firecracker has been told to run. */
export async function startByHand(asked: MachineByHand): Promise<StartedByHand> {
  clean();
  const id: VmId = newVmId();
  const jail = join(base, "firecracker", id, "root");
  mkdirSync(jail, { recursive: true, mode: 0o711 });
  const files = kernelFiles();
  const inJail = (file: keyof typeof jailFiles) => join(jail, jailFiles[file]);
  linkSync(files.kernel, inJail("kernel"));
  linkSync(files.initramfs, inJail("initramfs"));
  const rootfs = asked.rootfs.startsWith("/")
    ? asked.rootfs
    : join(imageDirectory(asked.rootfs), "rootfs.ext4");
  const layer = join(base, "root.cow");
  if (asked.template === undefined)
    sh(
      'truncate -s 8G "$1"; truncate -s 64M "$2"; mke2fs -q -F -t ext4 "$2"',
      ...[layer, inJail("workDisk")],
    );
  else {
    sh(
      'cp --sparse=always "$1/root.cow" "$2"; cp --sparse=always "$1/work.ext4" "$3"',
      ...[asked.template, layer, inJail("workDisk")],
    );
    // Not linked: the daemon would find the files changed, and read them again before the next VM goes on from them.
    for (const file of ["memory", "state"] as const)
      sh(': > "$2"; mount --bind "$1" "$2"', join(asked.template, file), inJail(file));
  }
  const number = makeRoot(rootfs, layer, asked.chunkSectors ?? 8);
  sh(
    `mknod "$1/root.dev" b $2; chown 1000:1000 "$1/root.dev" "$1/work.ext4"; ip tuntap add ${tap} mode tap user 1000 vnet_hdr
ip addr add 172.31.0.1/24 dev ${tap}; ip link set ${tap} up`.replace("$2", number),
    jail,
  );
  const log = openSync(join(base, "log"), "a");
  const args = jailerArguments({
    ...{ vm: id, firecracker: "/usr/local/bin/firecracker", user: owner, jailBase: base },
    ...{ vcpu: asked.vcpu, memoryMiB: asked.memoryMiB },
  });
  const spec: MachineSpec = {
    ...{ id, name: "by-hand", vcpu: asked.vcpu, memoryMiB: asked.memoryMiB, kernel: "", initramfs: "" },
    cmdline: bootCmdline,
    disks: ["root", "work"].map((path) => ({ path, format: "raw" as const, readOnly: false })),
    ...{ egress: "none", network: { tap, mac } },
    ...{ runDir: "", consoleLog: "", vmmLog: "" },
  };
  const { kernel, initramfs, rootDisk, workDisk, memory, state } = jailFiles;
  const view = { kernel, initramfs, disks: [rootDisk, workDisk], run: "/run", saved: { memory, state } };
  const requests = asked.template === undefined ? machineRequests(spec, view) : restoreRequests(spec, view);
  const given = asked.cmdline?.join(" ");

  const started = performance.now();
  const jailer = spawn("jailer", args, { stdio: ["ignore", log, log] });
  let over = false;
  const ended = new Promise<void>((resolve) =>
    jailer.on("close", () => {
      over = true;
      resolve();
    }),
  );
  const own = runFiles(join(jail, "run"));
  while (!existsSync(own.api)) {
    if (over)
      throw new Error(`Firecracker has ended: ${readFileSync(join(base, "log"), "utf8").slice(-500)}`);
    await Bun.sleep(1);
  }
  for (const path of [own.log, own.metrics]) sh(': > "$1"; chown 1000:1000 "$1"', path);
  const api = new FirecrackerApi(own.api);
  for (const batch of requests) {
    await Promise.all(
      batch.map((one) =>
        api.send(
          given !== undefined && one.path === "/boot-source"
            ? { ...one, body: { ...(one.body as object), boot_args: given } }
            : one,
        ),
      ),
    );
  }
  return {
    since: () => performance.now() - started,
    pid: jailer.pid ?? 0,
    agent: async () => {
      const dial = async () =>
        openAgentSession(await connectVsock({ socket: own.vsock, port: agentPort, alive: () => !over }));
      // A guest that goes on may end the first one, see talk.ts of the vm room.
      const session = await dial().catch(dial);
      await session.personalise({
        ...{ hostname: "by-hand", machineId: "0123456789abcdef0123456789abcdef", files: [] },
        ...{ clock: "host" as const, entropy: new Uint8Array(64) },
        network: { address: "172.31.0.2", prefix: 24, mac },
      });
      return session;
    },
    usedSectors: () => Number(/ (\d+)\//.exec(sh("dmsetup status by-hand"))?.[1]),
    end: async () => {
      jailer.kill("SIGKILL");
      await ended;
      sh(`rmdir /sys/fs/cgroup/banger/${id} 2>/dev/null || true`);
      clean();
    },
  };
}
