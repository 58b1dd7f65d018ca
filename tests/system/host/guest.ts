/** A guest in the emulated host that banger has no part in: the tiny image, jailer, Firecracker. See by-hand.ts. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moduleClosure, storeInitramfs } from "../../../src/kernel/kernel.ts";
import { removeTree } from "../../../src/sys/sys.ts";
import type { Host } from "../host.ts";
import type { ByHand, ByHandResult } from "./by-hand.ts";
import { root } from "./places.ts";
import { hostStore } from "./store.ts";

/** What a guest of Firecracker needs to find its disks, its network and the agent's port: no PCI. */
const drivers = ["virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "vmw_vsock_virtio_transport"];

/**
 * Debian's kernel under Firecracker; `pci=off` and `reboot=k` are Firecracker's own advice. Without `i8042.nopnp`, which is
 * too: since Firecracker has ACPI tables (1.8) it is from them that the kernel knows the keyboard's interrupt, and so hears
 * Ctrl-Alt-Del.
 */
export const firecrackerCmdline: readonly string[] = [
  ...["root=/dev/vda", "rw", "banger.vsock=1024"],
  ...["console=ttyS0", "reboot=k", "panic=1", "pci=off", "quiet", "loglevel=3"],
  ...["i8042.noaux", "i8042.nomux", "i8042.dumbkbd"],
  ...["random.trust_cpu=on", "tsc=reliable", "no_timer_check", "audit=0", "cryptomgr.notests"],
  "rcupdate.rcu_expedited=1",
];

/** Puts the initramfs into the host, and starts, measures and ends a guest. */
export async function startByHand(
  host: Host,
  options: Partial<ByHand> & { image?: string } = {},
): Promise<ByHandResult> {
  const { kernel } = await hostStore(() => {});
  const dir = await mkdtemp(join(tmpdir(), "banger-by-hand-"));
  try {
    const initramfs = await storeInitramfs(dir, {
      modules: await moduleClosure(kernel.modules, drivers),
      init: await readFile(join(root, "build/native/init")),
      agent: await readFile(join(root, "build/native/agent")),
    });
    await host.copyIn(initramfs, "/srv/initramfs.cpio", { user: "root" });
  } finally {
    await removeTree(dir);
  }
  const { image = "tiny", ...given } = options;
  const directory = await host.ok(
    `grep -l '"name": "${image}"' {/srv,/var/lib}/banger/images/*/manifest.json 2>/dev/null | head -1 | xargs dirname`,
    { user: "root" },
  );
  const store = directory.trim();
  const asked: ByHand = {
    id: "by-hand",
    vmlinux: join(store, "../../kernels", kernel.id.replace("sha256:", ""), "vmlinux"),
    initramfs: "/srv/initramfs.cpio",
    rootfs: join(store, "rootfs.ext4"),
    cmdline: firecrackerCmdline.join(" "),
    vcpu: 1,
    memoryMiB: 128,
    vsockPort: 1024,
    ...given,
  };
  const printed = await host.script(join(import.meta.dir, "by-hand.ts"), [JSON.stringify(asked)], {
    timeoutMs: 240_000,
  });
  return JSON.parse(printed);
}
