/** The cheapest guest that boots: banger's kernel and initramfs, a static busybox, an init that does nothing. */
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type ImageManifest, manifestName } from "../../../src/image/store.ts";
import type { StoredKernel } from "../../../src/kernel/kernel.ts";
import { removeTree, runChecked } from "../../../src/sys/sys.ts";
import { asRoot } from "./as-root.ts";

const rootfsBytes = 16 * 1024 ** 2;
const initScript = join(import.meta.dir, "tiny-init.sh");

/** Names what the guest is made of. */
export async function tinyDigest(kernel: StoredKernel, busybox: string): Promise<string> {
  const hash = createHash("sha256").update(kernel.id);
  for (const path of [import.meta.path, initScript, busybox]) hash.update(await readFile(path));
  return hash.digest("hex");
}

/** Makes it an image of banger's store, named "tiny", below `imagesDir`. */
export async function makeTiny(imagesDir: string, kernel: StoredKernel, busybox: string): Promise<void> {
  const digest = await tinyDigest(kernel, busybox);
  const directory = join(imagesDir, digest);
  const tree = join(directory, "tree");
  for (const dir of [
    "bin",
    "dev",
    "etc",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr/bin",
    "usr/sbin",
  ]) {
    await mkdir(join(tree, dir), { recursive: true });
  }
  await mkdir(join(directory, "seed"));
  await chmod(directory, 0o700);
  await cp(busybox, join(tree, "bin/busybox"));
  await chmod(join(tree, "bin/busybox"), 0o755);
  const applets = (await runChecked(busybox, ["--list-full"])).stdout.toString("utf8").trim().split("\n");
  for (const applet of applets) {
    if (!["busybox", "init"].includes(basename(applet))) {
      await symlink("/bin/busybox", join(tree, applet)).catch(ignoreUnknownDirectory);
    }
  }
  await cp(initScript, join(tree, "sbin/init"));
  await chmod(join(tree, "sbin/init"), 0o755);
  const rootfs = join(directory, "rootfs.ext4");
  await writeFile(rootfs, "");
  await truncate(rootfs, rootfsBytes);
  await asRoot("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "banger-rootfs", "-m", "0", "-d", tree, rootfs]);
  await removeTree(tree);
  await chmod(rootfs, 0o400);
  const manifest: ImageManifest = {
    id: `sha256:${digest}`,
    name: "tiny",
    revision: 0,
    distro: "none",
    arch: "amd64",
    kernel: { id: kernel.id, name: kernel.name },
    rootfsBytes,
    rootfsModifiedMs: (await stat(rootfs)).mtimeMs,
    createdAt: new Date().toISOString(),
  };
  await writeFile(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** busybox knows a few applets for places that this guest has not. */
function ignoreUnknownDirectory(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}
