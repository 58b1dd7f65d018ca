/**
 * The host after its first boot, with banger's store on its disk, booted once more and saved as it runs: each run goes on
 * from there. Made once per store: a layer over the base, and another one, with the memory and devices that go with it.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StoredKernel } from "../../../src/kernel/kernel.ts";
import { removeTree, runChecked, stageDirectory, waitForExit } from "../../../src/sys/sys.ts";
import { removeStale } from "./as-root.ts";
import { type HostBase, hostBase } from "./base.ts";
import { endMachine, launch, saveMachine } from "./machine.ts";
import { kept, payloadBytes } from "./places.ts";
import { closeConnections, runSsh, whenAnswering } from "./ssh.ts";
import { hostStore, packStore } from "./store.ts";
import { tinyDigest } from "./tiny.ts";

export interface SettledHost {
  base: HostBase;
  kernel: StoredKernel;
  /** qcow2; for reading. Of the machine that was saved: see savedState. */
  disk: string;
}

/** What was saved together with the disk. */
export const savedState = (disk: string) => join(dirname(disk), "machine.state");

/** Where the host keeps banger's images and kernels until a scenario gives them to banger: on the same file system. */
export const storeInHost = "/srv/banger";

/** About 15 s on two idle cores; others may be at work on them. */
export const bootMs = 300_000;

const takeStore = `
set -e
mkdir -m 0755 ${storeInHost}
tar --extract --file /dev/vdb --directory ${storeInHost} --preserve-permissions --numeric-owner --same-owner
chown dev:dev ${storeInHost} ${storeInHost}/images ${storeInHost}/kernels
chmod 0700 ${storeInHost}/images ${storeInHost}/kernels
systemctl is-system-running --wait || systemctl --failed --no-legend >&2
sync`;

export async function settledHost(say: (line: string) => void): Promise<SettledHost> {
  await removeStale(kept);
  const store = await hostStore(say);
  const base = await hostBase(store.kernel, say);
  const { stdout: qemu } = await runChecked("qemu-system-x86_64", ["--version"]);
  const contents = [
    ...[base.digest, store.image.id, await tinyDigest(store.kernel, base.busybox), takeStore, quiesce],
    // Only the same QEMU, with the same arguments, can go on.
    ...[qemu.toString("utf8"), await readFile(join(import.meta.dir, "machine.ts"), "utf8")],
  ];
  const name = `settled-${createHash("sha256").update(contents.join("\n")).digest("hex").slice(0, 16)}`;
  const disk = join(kept, name, "running.qcow2");
  if (!(await Bun.file(disk).exists())) {
    say("booting the host for the first time, and putting banger's store into it");
    await stageDirectory(kept, async (staging) => {
      const fresh = join(staging, "root.qcow2");
      const payload = join(staging, "store.tar");
      await packStore(store, base.busybox, payload);
      await layer(fresh, join("..", `base-${base.digest}`, "root.ext4"), "raw");
      await settle(base, store.kernel, fresh, payload);
      await removeTree(payload);
      await saveRunning(base, store.kernel, staging);
      return name;
    });
    await removeOthers([name, `base-${base.digest}`]);
  }
  return { base, kernel: store.kernel, disk };
}

async function settle(base: HostBase, kernel: StoredKernel, disk: string, payload: string): Promise<void> {
  const { key, initramfs } = base;
  const machine = await launch({ key, initramfs, vmlinux: kernel.vmlinux, disk, payload });
  try {
    await whenAnswering(machine, bootMs);
    const run = { user: "root", input: undefined, timeoutMs: 600_000 } as const;
    const { status, stderr } = await runSsh(machine, takeStore, run);
    if (status !== 0 || stderr !== "")
      throw new Error(`the host did not settle (status ${status}): ${stderr}`);
    await runSsh(machine, "systemctl poweroff", run);
    await waitForExit(machine.process, AbortSignal.timeout(120_000));
  } finally {
    await endMachine();
  }
}

/** What was read of the payload's disk is to be forgotten: each run has another one there. */
const quiesce = `
set -e
systemctl is-system-running --wait >/dev/null
sync
blockdev --flushbufs /dev/vdb
echo 3 > /proc/sys/vm/drop_caches`;

/** Boots what has settled, and saves it as it runs. */
async function saveRunning({ key, initramfs }: HostBase, kernel: StoredKernel, staging: string) {
  const disk = join(staging, "running.qcow2");
  await layer(disk, "root.qcow2", "qcow2");
  const payload = join(staging, "payload");
  await writeFile(payload, "");
  await truncate(payload, payloadBytes);
  const machine = await launch({ key, initramfs, vmlinux: kernel.vmlinux, disk, payload });
  try {
    await whenAnswering(machine, bootMs);
    const run = { user: "root", input: undefined, timeoutMs: 300_000 } as const;
    const { status, stderr } = await runSsh(machine, quiesce, run);
    if (status !== 0) throw new Error(`the host did not come to rest (status ${status}): ${stderr}`);
    await closeConnections(machine);
    // Its sshd's processes for them end.
    await Bun.sleep(2000);
    await saveMachine(machine, savedState(disk));
  } finally {
    await endMachine();
  }
  await removeTree(payload);
}

/** A new qcow2 over another disk, whose path is relative to the new one's directory, or absolute. */
export async function layer(path: string, backing: string, format: "raw" | "qcow2"): Promise<void> {
  await runChecked("qemu-img", ["create", "-q", "-f", "qcow2", "-b", backing, "-F", format, path]);
}

/** Hosts of older recipes and stores: two gigabytes each. */
async function removeOthers(current: readonly string[]): Promise<void> {
  for (const entry of await readdir(kept)) {
    if (/^(base|settled)-/.test(entry) && !current.includes(entry)) await removeTree(join(kept, entry));
  }
}
