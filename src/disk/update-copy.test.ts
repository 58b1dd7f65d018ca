import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { copyDisk } from "./copy-disk.ts";
import { updateCopy } from "./update-copy.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-update-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const MiB = 1024 * 1024;
const KiB = 1024;

function write(path: string, writes: readonly { at: number; byte: number; length: number }[]): void {
  const file = openSync(path, "r+");
  for (const { at, byte, length } of writes) writeSync(file, Buffer.alloc(length, byte), 0, length, at);
}

test("a copy becomes like the disk again, wherever that was written to, zeros and holes included", async () => {
  const [disk, copy] = [join(dir, "disk"), join(dir, "copy")];
  const one = fc.record({
    at: fc.integer({ min: 0, max: 6 * MiB }),
    byte: fc.integer({ min: 0, max: 3 }),
    length: fc.integer({ min: 1, max: 300 * KiB }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(one, { maxLength: 6 }),
      fc.array(one, { maxLength: 6 }),
      async (before, after) => {
        rmSync(disk, { force: true });
        rmSync(copy, { force: true });
        openSync(disk, "w");
        truncateSync(disk, 8 * MiB);
        write(disk, before);
        await copyDisk(disk, copy, { durable: false });
        write(disk, after);
        // What only the copy has goes, too.
        write(copy, [{ at: 7 * MiB, byte: 9, length: 10 }]);
        await updateCopy(disk, copy);
        expect(readFileSync(copy).equals(readFileSync(disk))).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test("holes stay holes, and a copy of another size gets the disk's", async () => {
  const [disk, copy] = [join(dir, "disk"), join(dir, "copy")];
  openSync(disk, "w");
  truncateSync(disk, 64 * MiB);
  write(disk, [{ at: 32 * MiB, byte: 1, length: 4 * KiB }]);
  await copyDisk(disk, copy, { durable: false });
  truncateSync(copy, 16 * MiB);
  await updateCopy(disk, copy);
  expect(readFileSync(copy).equals(readFileSync(disk))).toBe(true);
  expect(statSync(copy).blocks * 512).toBeLessThan(MiB);
});
