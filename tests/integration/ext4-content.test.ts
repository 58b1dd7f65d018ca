/** Content that was written before the file system around it, judged by e2fsck and read by the kernel. */
import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { ContentArea, type ContentTable, openFresh, settle } from "../../src/ext4/ext4.ts";
import { emptyStretch, overlaySparse } from "../../src/sys/sys.ts";
import {
  complaints,
  Disks,
  KiB,
  MiB,
  meta,
  mounted,
  mountMissing,
  nowS,
  toolsMissing,
} from "./ext4-fixture.ts";

const disks = new Disks();
afterAll(() => disks.end());

/** No two alike, with a block of zeros in the middle. */
function contentOf(number: number): Buffer {
  const bytes = Buffer.alloc(200 * KiB + number, createHash("sha256").update(String(number)).digest());
  return bytes.fill(0, 80 * KiB, 88 * KiB);
}

/** So many files by two writers in turn, then a file system of this size around them. */
async function placed(files: number, sizeBytes: number): Promise<{ path: string; moved: number }> {
  const path = join(disks.dir, `content-${files}-${sizeBytes}.ext4`);
  writeFileSync(path, "");
  const layout = await open(await disks.fresh(sizeBytes), "r");
  const file = await open(path, "r+");
  try {
    const area = new ContentArea(file.fd);
    const writers = [area.writer(), area.writer()] as const;
    for (let number = 0; number < files; number += 1) {
      const content = contentOf(number);
      const sink = writers[number % 2 === 0 ? 0 : 1].begin(content.length);
      sink.write(content);
      sink.close();
    }
    for (const writer of writers) writer.finish();
    const all = Array.from({ length: files }, (_, number) => ({
      table: writers[number % 2 === 0 ? 0 : 1].table as ContentTable,
      number: number >> 1,
    }));
    const given = settle(area, layout.fd, () => all);
    ftruncateSync(file.fd, sizeBytes);
    const block = 4 * KiB;
    for (const { start, count } of given)
      if (start * block < sizeBytes)
        emptyStretch(file.fd, start * block, Math.min(count * block, sizeBytes - start * block));
    await overlaySparse(layout, file);
    const { nodes } = openFresh(file.fd, { nowS });
    for (const { table, number } of all) nodes.claim(table.get(number));
    const parent = nodes.addDirectory({ parent: nodes.root, name: "files" }, { ...meta, mode: 0o755 });
    for (const [n, { table, number }] of all.entries())
      nodes.addPlacedFile({ parent, name: String(n) }, meta, contentOf(n).length, table.get(number));
    nodes.finish();
    return { path, moved: given.reduce((sum, { count }) => sum + count, 0) };
  } finally {
    await file.close();
    await layout.close();
  }
}

describe.skipIf(toolsMissing || mountMissing !== undefined)("content placed before its file system", () => {
  const cases: [string, number, number, (moved: number) => boolean][] = [
    ["stays where it is, when nothing is in the way", 100, 512 * MiB, (moved) => moved === 0],
    ["makes room for the journal", 500, 256 * MiB, (moved) => moved > 0],
    ["comes back from behind the end", 500, 128 * MiB, (moved) => moved > 0],
  ];
  test.each(cases)("%s", async (_, files, sizeBytes, right) => {
    const { path, moved } = await placed(files, sizeBytes);
    expect(right(moved)).toBe(true);
    expect(complaints(path)).toBe("");
    mounted(path, (root) => {
      for (let n = 0; n < files; n += 1)
        expect(readFileSync(join(root, "files", String(n))).equals(contentOf(n))).toBe(true);
    });
  });

  test("is refused by one that has no room for it", async () => {
    expect(await placed(500, 64 * MiB).catch((error: unknown) => error)).toMatchObject({ code: "no_space" });
  });

  test("is refused where something else is", async () => {
    const path = await disks.fresh(64 * MiB);
    const fd = openSync(path, "r+");
    const { nodes } = openFresh(fd, { nowS });
    expect(() => nodes.claim([{ logical: 0, physical: 0, blocks: 1 }])).toThrow(/hold something else/);
    closeSync(fd);
  });
});
