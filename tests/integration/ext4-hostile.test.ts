/** Disks that are not what they should be: refused, and never written to beyond themselves. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { BangerError } from "../../src/base/base.ts";
import { openFresh } from "../../src/ext4/ext4.ts";
import { addFile, bytes, complaints, Disks, fillDisk, MiB, meta, toolsMissing } from "./ext4-fixture.ts";

describe.skipIf(toolsMissing)("a disk is refused", () => {
  const disks = new Disks();
  afterAll(() => disks.end());
  const refuses = (path: string, why: string) =>
    expect(() => fillDisk(path, () => {})).toThrow(
      expect.objectContaining({ code: "corrupt", message: expect.stringContaining(why) }),
    );

  test("that has been filled or mounted, is of another shape, or is no disk", async () => {
    const used = await disks.filled(16 * MiB, (filler) => addFile(filler, bytes("f"), bytes("x")));
    refuses(used, "there are files in it");
    const made = async (...options: string[]) => {
      const path = await disks.fresh(16 * MiB);
      const done = spawnSync("mke2fs", ["-q", "-F", "-t", "ext4", ...options, path], {
        env: { ...process.env, MKE2FS_CONFIG: "/dev/null" },
        encoding: "utf8",
      });
      expect(done.status).toBe(0);
      return path;
    };
    const some =
      "extent,64bit,flex_bg,dir_index,ext_attr,filetype,sparse_super,large_file,huge_file,dir_nlink,extra_isize";
    const all = `${some},metadata_csum`;
    refuses(await made("-b", "1024", "-I", "256", "-O", all), "first data block");
    refuses(await made("-b", "4096", "-I", "128", "-O", all), "inodes");
    refuses(await made("-b", "4096", "-I", "256", "-O", some), "lacks features");
    refuses(await made("-b", "4096", "-I", "256", "-O", `${all},inline_data`), "not known here");
    refuses(await made("-b", "4096", "-I", "256", "-O", `${all},quota`), "not known here");
    fillDisk(await made("-b", "4096", "-I", "256", "-O", all), () => {});
    const empty = join(disks.dir, "empty");
    writeFileSync(empty, "");
    refuses(empty, "too small");
    truncateSync(empty, 16 * MiB);
    refuses(empty, "magic");
    const cut = await disks.fresh(64 * MiB);
    truncateSync(cut, 32 * MiB);
    refuses(cut, "larger than its disk");
  });

  test("or filled and in order, whichever bits of its tables are turned", async () => {
    const fresh = await disks.fresh(140 * MiB);
    const path = `${fresh}.turned`;
    const guard = Buffer.alloc(4096, 0xa5);
    // Superblock, descriptors, bitmaps, the first inodes.
    const places = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1024, max: 2047 }) },
      { weight: 4, arbitrary: fc.integer({ min: 4096, max: 4096 + 3 * 64 }) },
      { weight: 2, arbitrary: fc.integer({ min: 8192, max: 60 * 4096 }) },
    );
    const turns = fc.array(fc.record({ at: places, bit: fc.nat(7) }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(turns, (bits) => {
        spawnSync("cp", ["--sparse=always", fresh, path]);
        truncateSync(path, 140 * MiB + guard.length);
        const fd = openSync(path, "r+");
        try {
          writeSync(fd, guard, 0, guard.length, 140 * MiB);
          const byte = Buffer.alloc(1);
          for (const { at, bit } of bits) {
            readSync(fd, byte, 0, 1, at);
            writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ (1 << bit)]), 0, 1, at);
          }
          const filler = openFresh(fd);
          for (let n = 0; n < 50; n += 1) addFile(filler, bytes(`d/${n}`), Buffer.alloc(n * 400, 1), meta);
          filler.finish();
        } catch (error) {
          if (!(error instanceof BangerError)) throw error;
          expect(error.code).toBe("corrupt");
          return;
        } finally {
          const after = Buffer.alloc(guard.length);
          readSync(fd, after, 0, after.length, 140 * MiB);
          closeSync(fd);
          expect(after.equals(guard)).toBe(true);
          expect(statSync(path).size).toBe(140 * MiB + guard.length);
        }
        truncateSync(path, 140 * MiB);
        // What was turned is in none of the parts that are used: only e2fsck sees it.
        expect(complaints(path).replaceAll(/status [0-9]+/g, "")).not.toContain("d/");
      }),
      { numRuns: 100 },
    );
  });
});
