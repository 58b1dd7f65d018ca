import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskReserve } from "./reserve.ts";

test("a reserve is held once, made whole when it is not, and given back", () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-reserve-"));
  try {
    const path = join(dir, "reserve");
    const reserve = diskReserve(path, 3 << 20);
    reserve.hold();
    const { ino, blocks } = statSync(path);
    expect(blocks * 512).toBeGreaterThanOrEqual(3 << 20);
    truncateSync(path, 1 << 20);
    for (let turn = 0; turn < 2; turn += 1) {
      reserve.hold();
      expect(statSync(path)).toMatchObject({ ino, size: 3 << 20 });
    }
    expect([reserve.release(), existsSync(path), reserve.release()]).toEqual([true, false, false]);
    // A full disk: nothing of it stays.
    symlinkSync("/dev/full", path);
    reserve.hold();
    expect(existsSync(path)).toBe(false);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
