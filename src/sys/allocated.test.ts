import { expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocated, allocatedIn } from "./allocated.ts";

test("holes take nothing, a second name takes nothing more, and links are not followed", async () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-allocated-"));
  try {
    mkdirSync(join(dir, "below"));
    const file = join(dir, "below/file");
    writeFileSync(file, Buffer.alloc(1 << 20, 1));
    truncateSync(file, 1 << 30);
    linkSync(file, join(dir, "second"));
    symlinkSync("/bin/sh", join(dir, "link"));
    const once = await allocated([file]);
    expect(once).toBeWithin(1 << 20, 2 << 20);
    expect(await allocated([file, join(dir, "absent")])).toBe(once);
    expect(await allocatedIn(dir)).toBe(once);
    const counted = new Set<string>();
    expect([await allocatedIn(dir, counted), await allocatedIn(dir, counted)]).toEqual([once, 0]);
    expect(await allocatedIn(join(dir, "nowhere"))).toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
