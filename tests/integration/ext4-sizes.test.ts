/** Disks, directories and files at the ends of what there is. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { openFresh } from "../../src/ext4/ext4.ts";
import {
  addFile,
  bytes,
  complaints,
  Disks,
  fillDisk,
  GiB,
  MiB,
  meta,
  mounted,
  mountMissing,
  toolsMissing,
} from "./ext4-fixture.ts";

describe.skipIf(toolsMissing)("a filled disk", () => {
  const disks = new Disks();
  afterAll(() => disks.end());

  test.each([
    ["16M", 16 * MiB],
    ["64M", 64 * MiB],
    ["1G", GiB],
    ["8G", 8 * GiB],
    ["64G", 64 * GiB],
    ["100G and some blocks", 100 * GiB + 5 * 4096],
  ])("is in order at %s, empty or not, also when it has grown", async (_name, size) => {
    expect(complaints(await disks.filled(size, () => {}))).toBe("");
    const disk = await disks.filled(size, (filler) => {
      for (let n = 0; n < 300; n += 1)
        addFile(filler, bytes(`d${n % 7}/file ${n}`), Buffer.alloc(n * 31, 1 + n));
    });
    expect(complaints(disk)).toBe("");
    spawnSync("truncate", ["-s", String(size * 2), disk]);
    expect(spawnSync("e2fsck", ["-f", "-p", disk]).status).toBe(0);
    const grown = spawnSync("resize2fs", [disk], { encoding: "utf8" });
    expect(grown.stderr).toContain("resize2fs");
    expect(grown.status).toBe(0);
    expect(complaints(disk)).toBe("");
  });

  test.each([1, 100, 5000, 70_000])(
    "with a directory of %d entries has each where it is looked up",
    async (count) => {
      const disk = await disks.filled(8 * GiB, (filler) => {
        for (let n = 0; n < count; n += 1)
          addFile(filler, bytes(`d/entry number ${n}`), Buffer.from(String(n)));
      });
      expect(complaints(disk)).toBe("");
      if (mountMissing !== undefined) return;
      mounted(disk, (root) => {
        expect(readdirSync(join(root, "d")).length).toBe(count);
        for (let n = 0; n < count; n += 1)
          expect(lstatSync(join(root, `d/entry number ${n}`)).size).toBe(String(n).length);
        expect(readFileSync(join(root, `d/entry number ${count - 1}`), "utf8")).toBe(String(count - 1));
      });
    },
  );

  test("indexes a directory in two levels when one is not enough", async () => {
    const disk = await disks.filled(8 * GiB, (filler) => {
      // Twelve names a block: 507 blocks, for which one level suffices, are soon used up.
      for (let n = 0; n < 20_000; n += 1)
        filler.addSymlink(bytes(`d/${String(n).padStart(250, "x")}`), bytes("t"), meta);
    });
    expect(complaints(disk)).toBe("");
    const dump = spawnSync("debugfs", ["-R", "htree_dump /d", disk], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    }).stdout;
    expect(dump).toContain("Indirect levels: 1");
    if (mountMissing !== undefined) return;
    mounted(disk, (root) => {
      for (let n = 0; n < 20_000; n += 97) lstatSync(join(root, "d", String(n).padStart(250, "x")));
    });
  });

  test("counts links of directories and files as far as ext4 does", async () => {
    const disk = await disks.filled(8 * GiB, (filler) => {
      for (let n = 0; n < 65_000; n += 1) filler.addDirectory(bytes(`many/${n}`), { ...meta, mode: 0o755 });
      addFile(filler, bytes("f"), Buffer.from("f"));
      for (let n = 1; n < 65_000; n += 1) filler.addHardLink(bytes(`names/${n}`), bytes("f"));
      expect(() => filler.addHardLink(bytes("one-more"), bytes("f"))).toThrow("65000");
    });
    expect(complaints(disk)).toBe("");
    if (mountMissing !== undefined) return;
    mounted(disk, (root) => {
      expect(lstatSync(join(root, "f")).nlink).toBe(65_000);
      expect(lstatSync(join(root, "many")).nlink).toBe(1);
    });
  });

  test("keeps a file of 20 GiB that is mostly holes, in many extents, at the size of its data", async () => {
    const size = 20 * GiB + 1;
    const parts = 1500;
    const step = 13_000_003;
    const before = statSync(await disks.fresh(GiB)).blocks;
    const disk = await disks.filled(GiB, (filler) => {
      const sink = filler.addFile(bytes("holey"), meta, size);
      for (let n = 0; n < parts; n += 1) {
        sink.write(Buffer.alloc(5, 1 + (n % 250)));
        sink.hole(step - 5);
      }
      sink.hole(size - parts * step - 1);
      sink.write(Buffer.from("z"));
      sink.close();
    });
    expect(complaints(disk)).toBe("");
    expect((statSync(disk).blocks - before) * 512).toBeLessThan(20 * MiB);
    if (mountMissing !== undefined) return;
    mounted(disk, (root) => {
      const fd = openSync(join(root, "holey"), "r");
      const piece = Buffer.alloc(7);
      for (let n = 0; n < parts; n += 1) {
        readSync(fd, piece, 0, 7, n * step - (n === 0 ? 0 : 1));
        expect(piece).toEqual(
          Buffer.from([...(n === 0 ? [] : [0]), ...Array(5).fill(1 + (n % 250)), 0, 0].slice(0, 7)),
        );
      }
      expect(readSync(fd, piece, 0, 7, size - 1)).toBe(1);
      expect(piece[0]).toBe("z".charCodeAt(0));
      closeSync(fd);
    });
  });

  test("holds a file larger than any group, without a hole, in one extent per stretch", async () => {
    const piece = Buffer.alloc(MiB, 7);
    const disk = await disks.filled(2 * GiB, (filler) => {
      const sink = filler.addFile(bytes("large"), meta, 700 * MiB + 9);
      for (let n = 0; n < 700; n += 1) sink.write(piece);
      sink.write(Buffer.alloc(9, 7));
      sink.close();
    });
    expect(complaints(disk)).toBe("");
    const { stdout } = spawnSync("debugfs", ["-R", "stat /large", disk], { encoding: "utf8" });
    expect(stdout).toContain("(ETB0)");
  });

  test("that is full says what did not fit, and how much that is", async () => {
    const disk = await disks.fresh(16 * MiB);
    const fill = (filler: ReturnType<typeof openFresh>) => {
      const free = filler.freeBytes;
      addFile(filler, bytes("most"), Buffer.alloc(free - 2 * MiB, 1));
      addFile(filler, bytes("too much"), Buffer.alloc(4 * MiB, 1));
    };
    expect(() => fillDisk(disk, fill)).toThrow(
      expect.objectContaining({
        code: "no_space",
        message: expect.stringContaining("too much"),
        details: { neededBytes: expect.any(Number), freeBytes: expect.any(Number) },
      }),
    );
    const other = await disks.fresh(16 * MiB);
    expect(() =>
      fillDisk(other, (filler) => {
        for (let n = 0; n < 2000; n += 1) filler.addSymlink(bytes(`${n}`), bytes("t"), meta);
      }),
    ).toThrow(expect.objectContaining({ code: "no_space", message: expect.stringContaining("inode") }));
  });

  test("can be full to the last block, and to the last inode", async () => {
    const disk = await disks.filled(16 * MiB, (filler) => {
      while (filler.freeInodes > 1) filler.addSymlink(bytes(`d/${filler.freeInodes}`), bytes("t"), meta);
      // Root, lost+found, and d: an index with eight blocks behind it at most.
      addFile(filler, bytes("rest"), Buffer.alloc(filler.freeBytes - 12 * 4096, 1));
    });
    expect(complaints(disk)).toBe("");
  });
});
