/**
 * The host after its first boot, with banger's store on its disk: a layer over the base, made once per store. Each run then
 * boots a host that has found itself (machine id, journal, caches), and has the store without copying it.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { StoredKernel } from "../../../src/kernel/kernel.ts";
import { removeTree, runChecked, stageDirectory, waitForExit } from "../../../src/sys/sys.ts";
import { removeStale } from "./as-root.ts";
import { type HostBase, hostBase } from "./base.ts";
import { endMachine, launch } from "./machine.ts";
import { kept } from "./places.ts";
import { runSsh, whenAnswering } from "./ssh.ts";
import { hostStore, packStore } from "./store.ts";
import { tinyDigest } from "./tiny.ts";

export interface SettledHost {
  base: HostBase;
  kernel: StoredKernel;
  /** qcow2; for reading. */
  disk: string;
}

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
  const contents = [base.digest, store.image.id, await tinyDigest(store.kernel, base.busybox), takeStore];
  const name = `settled-${createHash("sha256").update(contents.join("\n")).digest("hex").slice(0, 16)}`;
  const disk = join(kept, name, "root.qcow2");
  if (!(await Bun.file(disk).exists())) {
    say("booting the host for the first time, and putting banger's store into it");
    await stageDirectory(kept, async (staging) => {
      const fresh = join(staging, "root.qcow2");
      const payload = join(staging, "store.tar");
      await packStore(store, base.busybox, payload);
      await layer(fresh, join("..", `base-${base.digest}`, "root.ext4"), "raw");
      await settle(base, store.kernel, fresh, payload);
      await removeTree(payload);
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
