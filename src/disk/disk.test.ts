import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRootDisk } from "./disk.ts";
import { emptyOverlay } from "./qcow2.ts";

let dir: string;
let base: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-disk-"));
  base = join(dir, "base.img");
  writeFileSync(base, Buffer.concat([Buffer.alloc(1 << 20, 7), Buffer.alloc(1 << 20)]));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("a root disk", () => {
  test("as a layer is tiny and names its base", async () => {
    const disk = await createRootDisk({ base, dir, sizeBytes: 1 << 30, strategy: "overlay" });
    expect(disk.format).toBe("qcow2");
    expect(statSync(disk.path).size).toBe(4 * 65536);
    expect(emptyOverlay(base, 1 << 30).includes(base)).toBe(true);
  });

  test("as a copy has the base's bytes, its holes and the size asked for", async () => {
    const disk = await createRootDisk({ base, dir, sizeBytes: 8 << 20, strategy: "copy" });
    const bytes = Buffer.from(await Bun.file(disk.path).arrayBuffer());
    expect(bytes.length).toBe(8 << 20);
    expect(bytes.subarray(0, 1 << 20).every((byte) => byte === 7)).toBe(true);
    expect(statSync(disk.path).blocks * 512).toBeLessThan(2 << 20);
  });

  test("smaller than its image is refused, with what to do", async () => {
    await expect(createRootDisk({ base, dir, sizeBytes: 1 << 20, strategy: "overlay" })).rejects.toThrow(
      "smaller than its image",
    );
  });
});
