/** Disks against the tools that judge them: qemu-img, e2fsck, dumpe2fs, debugfs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRootDisk, createWorkDisk, growWorkDisk, probeRootDiskStrategy } from "../../src/disk/disk.ts";

const missing = ["qemu-img", "mke2fs", "e2fsck", "resize2fs"].filter(
  (tool) => spawnSync(tool, ["--help"]).error,
);
if (missing.length > 0) console.warn(`disk tests skipped: ${missing.join(", ")} missing; run: npm run setup`);

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-disk-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function tool(name: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(name, args, { encoding: "utf8" });
}

/** A sparse base: data at the start, in the middle and at the end. */
function makeBase(name: string, sizeBytes: number): string {
  const path = join(dir, name);
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  const file = openSync(path, "r+");
  for (const at of [0, Math.floor(sizeBytes / 2 / 4096) * 4096 + 100, sizeBytes - 10])
    writeSync(file, "0123456789", at);
  closeSync(file);
  return path;
}

const usedBytes = (path: string) => statSync(path).blocks * 512;
const same = (one: string, other: string, bytes: number) =>
  tool("cmp", "-n", String(bytes), one, other).status === 0;

describe.skipIf(missing.length > 0)("a root disk", () => {
  test("as a layer is a valid qcow2 image of the size asked for, which reads as its base", async () => {
    const base = makeBase("base image, raw.img", 64 * MiB);
    for (const sizeBytes of [64 * MiB, 8 * GiB, 100 * GiB + 512, 16 * 1024 * GiB]) {
      const vm = join(dir, `vm-${sizeBytes}`);
      mkdirSync(vm);
      const { path } = await createRootDisk({ base, dir: vm, sizeBytes, strategy: "overlay" });
      const check = tool("qemu-img", "check", path);
      expect(check.stdout).toContain("No errors were found on the image.");
      const info = JSON.parse(tool("qemu-img", "info", "--output=json", path).stdout);
      expect(info).toMatchObject({
        format: "qcow2",
        "virtual-size": sizeBytes,
        "full-backing-filename": base,
        "backing-filename-format": "raw",
        "dirty-flag": false,
      });
      expect(usedBytes(path)).toBeLessThan(2 * MiB);
      expect(readdirSync(vm)).toEqual(["root.qcow2"]);
    }
    const layer = join(dir, `vm-${64 * MiB}`, "root.qcow2");
    expect(tool("qemu-img", "compare", "-s", layer, base).stdout).toContain("Images are identical.");
  });

  test("as a layer takes writes, and its base none", async () => {
    const base = makeBase("base.img", 64 * MiB);
    const before = tool("sha256sum", base).stdout;
    const { path } = await createRootDisk({ base, dir, sizeBytes: GiB, strategy: "overlay" });
    const io = tool(
      "qemu-io",
      "-c",
      "write -P 7 0 1M",
      "-c",
      "write -P 8 1000M 4k",
      "-c",
      "read -P 7 0 1M",
      path,
    );
    expect(io.stdout).not.toContain("verification failed");
    expect(io.status).toBe(0);
    expect(tool("qemu-img", "check", path).stdout).toContain("No errors were found on the image.");
    expect(tool("sha256sum", base).stdout).toBe(before);
  });

  test("as a copy has the base's bytes and its holes, for each place where data may lie", async () => {
    const base = makeBase("base.img", 40 * MiB + 4321);
    const { path } = await createRootDisk({ base, dir, sizeBytes: GiB, strategy: "copy" });
    expect(same(base, path, 40 * MiB + 4321)).toBe(true);
    expect(statSync(path).size).toBe(GiB);
    expect(usedBytes(path)).toBeLessThan(MiB);
  });

  test("as a copy of 100 GiB of holes takes no time", async () => {
    const base = makeBase("base.img", 100 * GiB);
    const started = performance.now();
    await createRootDisk({ base, dir, sizeBytes: 100 * GiB, strategy: "copy" });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test("is made by the cheapest way that works here, and the look leaves no file", async () => {
    const strategy = await probeRootDiskStrategy(dir, { qcow2: true });
    expect(["reflink", "overlay"]).toContain(strategy);
    expect(await probeRootDiskStrategy(dir, { qcow2: false })).toBe(
      strategy === "overlay" ? "copy" : strategy,
    );
    expect(readdirSync(dir)).toEqual([]);
    const base = makeBase("base.img", MiB);
    const disk = await createRootDisk({ base, dir, sizeBytes: 2 * MiB, strategy });
    expect(statSync(disk.path).mode & 0o777).toBe(0o600);
  });
});

/** e2fsck's word that a file system is in order. */
function expectClean(path: string): void {
  const check = tool("e2fsck", "-f", "-n", path);
  expect(check.stdout + check.stderr).not.toMatch(/error|inconsisten/i);
  expect(check.status).toBe(0);
}

describe.skipIf(missing.length > 0)("a work disk", () => {
  test("is a clean ext4 with the seed's files, owned by root, and hardly any blocks", async () => {
    const seed = join(dir, "seed");
    mkdirSync(join(seed, ".config"), { recursive: true });
    writeFileSync(join(seed, ".bashrc"), "alias ll='ls -l'\n");
    for (const templatesDir of [undefined, join(dir, "templates")]) {
      const path = join(dir, "work.ext4");
      const made = { path, sizeBytes: 8 * GiB, seed };
      await createWorkDisk(templatesDir === undefined ? made : { ...made, templatesDir });
      expectClean(path);
      expect(statSync(path).size).toBe(8 * GiB);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(usedBytes(path)).toBeLessThan(8 * MiB);
      expect(tool("debugfs", "-R", "cat /.bashrc", path).stdout).toBe("alias ll='ls -l'\n");
      expect(tool("debugfs", "-R", "stat /", path).stdout).toMatch(/User:\s+0\s+Group:\s+0/);
      const features = tool("dumpe2fs", "-h", path).stdout;
      expect(features).toContain("Filesystem volume name:   banger-work");
      expect(features).toContain("has_journal");
      rmSync(path);
    }
  });

  test("comes in any size from MiB to TiB", async () => {
    for (const sizeBytes of [16 * MiB, 100 * MiB + 512, GiB, 200 * GiB]) {
      const path = join(dir, "work.ext4");
      await createWorkDisk({ path, sizeBytes, templatesDir: join(dir, "templates") });
      expect(statSync(path).size).toBe(sizeBytes);
      expectClean(path);
    }
  });

  test("from a template is made for many at once, and templates do not pile up", async () => {
    const templatesDir = join(dir, "templates");
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        createWorkDisk({ path: join(dir, `same-${index}`), sizeBytes: 64 * MiB, templatesDir }),
      ),
    );
    expect(readdirSync(templatesDir)).toHaveLength(1);
    for (let index = 0; index < 12; index += 1) {
      await createWorkDisk({
        path: join(dir, `other-${index}`),
        sizeBytes: (65 + index) * MiB,
        templatesDir,
      });
    }
    expect(readdirSync(templatesDir).length).toBeLessThanOrEqual(8);
    for (const name of ["same-0", "same-11", "other-0", "other-11"]) expectClean(join(dir, name));
  });

  test("grows with its files, twice if need be, and does not shrink", async () => {
    const seed = join(dir, "seed");
    mkdirSync(seed);
    writeFileSync(join(seed, "kept"), "kept");
    const path = join(dir, "work.ext4");
    await createWorkDisk({ path, sizeBytes: 64 * MiB, seed });
    await growWorkDisk(path, GiB);
    await growWorkDisk(path, GiB);
    expectClean(path);
    expect(tool("debugfs", "-R", "cat /kept", path).stdout).toBe("kept");
    const blocks = /^Block count:\s+(\d+)$/m.exec(tool("dumpe2fs", "-h", path).stdout)?.[1];
    expect(Number(blocks) * 4096).toBe(GiB);
    await expect(growWorkDisk(path, 64 * MiB)).rejects.toMatchObject({ code: "bad_request" });
  });

  test("that is damaged is reported, not grown", async () => {
    const path = join(dir, "work.ext4");
    writeFileSync(path, Buffer.alloc(16 * MiB, 0x5a));
    await expect(growWorkDisk(path, 32 * MiB)).rejects.toMatchObject({ code: "corrupt" });
  });

  test("that cannot be made leaves nothing under its name or beside it", async () => {
    const path = join(dir, "work.ext4");
    const failing = createWorkDisk({ path, sizeBytes: 64 * MiB, seed: join(dir, "missing") });
    await expect(failing).rejects.toThrow("the work disk could not be made");
    const cancelled = createWorkDisk({ path, sizeBytes: 64 * MiB, signal: AbortSignal.abort() });
    await expect(cancelled).rejects.toThrow();
    expect(readdirSync(dir)).toEqual([]);
  });
});
