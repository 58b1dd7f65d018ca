/** Disks for tests of the ext4 room: made as banger makes them, filled, judged by e2fsck, read by the kernel. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWorkDisk } from "../../src/disk/disk.ts";
import { type Ext4Filler, type Meta, openFresh } from "../../src/ext4/ext4.ts";

const missing = ["mke2fs", "e2fsck", "resize2fs"].filter((tool) => spawnSync(tool, ["--help"]).error);
export const toolsMissing: boolean = missing.length > 0;
if (toolsMissing) console.warn(`ext4 tests skipped: ${missing.join(", ")} missing; run: npm run setup`);

export const KiB = 1024;
export const MiB: number = 1024 * KiB;
export const GiB: number = 1024 * MiB;
export const nowS = 1_800_000_000;
export const meta: Meta = { mode: 0o644, uid: 0, gid: 0, mtimeS: 1_700_000_000 };
export const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

export class Disks {
  readonly dir: string = mkdtempSync(join(tmpdir(), "banger-ext4-"));
  #count = 0;

  async fresh(sizeBytes: number): Promise<string> {
    this.#count += 1;
    const path = join(this.dir, `disk-${this.#count}.ext4`);
    await createWorkDisk({ path, sizeBytes, templatesDir: join(this.dir, "templates") });
    return path;
  }

  /** A fresh disk, filled. */
  async filled(sizeBytes: number, fill: (filler: Ext4Filler) => void): Promise<string> {
    const path = await this.fresh(sizeBytes);
    fillDisk(path, fill);
    return path;
  }

  end(): void {
    rmSync(this.dir, { recursive: true });
  }
}

export function fillDisk(path: string, fill: (filler: Ext4Filler) => void): void {
  const fd = openSync(path, "r+");
  try {
    const filler = openFresh(fd, { nowS });
    fill(filler);
    filler.finish();
  } finally {
    closeSync(fd);
  }
}

export function addFile(filler: Ext4Filler, path: Buffer, content: Buffer, its: Meta = meta): void {
  const sink = filler.addFile(path, its, content.length);
  sink.write(content);
  sink.close();
}

/** What e2fsck -fn has to say beyond its five passes and the summary: nothing, when all is well. */
export function complaints(path: string): string {
  const { status, stdout, stderr } = spawnSync("e2fsck", ["-fn", path], { encoding: "utf8" });
  const lines = stdout.split("\n").filter((line) => !/^Pass [1-5]|: [0-9]+\/[0-9]+ files|^$/.test(line));
  const said = stderr.split("\n").filter((line) => !/^e2fsck [0-9]|^$/.test(line));
  return [...lines, ...said, ...(status === 0 ? [] : [`status ${status}`])].join("\n");
}

/** Calls `look` with the directory where the disk is mounted, read-only. */
export function mounted<T>(path: string, look: (root: string) => T): T {
  const root = `${path}.mounted`;
  mkdirSync(root);
  const done = spawnSync("mount", ["-o", "ro,loop,noatime", path, root], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  try {
    return look(root);
  } finally {
    spawnSync("umount", [root], { stdio: "inherit" });
  }
}

/** Why no disk can be mounted here; undefined when it can. */
export const mountMissing: string | undefined = await whyNoMount();
if (mountMissing !== undefined) console.warn(`ext4 tests that mount are skipped: ${mountMissing}`);

async function whyNoMount(): Promise<string | undefined> {
  if (toolsMissing) return "tools are missing";
  if (process.getuid?.() !== 0) return "only root can mount";
  const disks = new Disks();
  try {
    mounted(await disks.fresh(16 * MiB), () => undefined);
    return undefined;
  } catch (error) {
    return String(error);
  } finally {
    disks.end();
  }
}
