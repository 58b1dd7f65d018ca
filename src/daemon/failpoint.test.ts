import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failpointFromEnvironment } from "./failpoint.ts";

test("who finds the file that says where a process stands finds its whole pid in it", async () => {
  for (let turn = 0; turn < 5; turn += 1) {
    const dir = mkdtempSync(join(tmpdir(), "banger-failpoint-"));
    try {
      writeFileSync(join(dir, "point"), "list.step:before\n");
      const program = `
        import { failpointFromEnvironment } from ${JSON.stringify(join(import.meta.dir, "failpoint.ts"))};
        failpointFromEnvironment(${JSON.stringify(dir)})("list.step", "before");`;
      const child = Bun.spawn([process.execPath, "-e", program]);
      while (!existsSync(join(dir, "hit")) && child.exitCode === null)
        await new Promise((resolve) => setImmediate(resolve));
      expect(readFileSync(join(dir, "hit"), "utf8")).toBe(String(child.pid));
      writeFileSync(join(dir, "go"), "");
      expect(await child.exited).toBe(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  }
}, 60_000);

test("no directory is no failpoint, and a relative one is refused", () => {
  expect(failpointFromEnvironment(undefined)).toBeUndefined();
  expect(() => failpointFromEnvironment("here")).toThrow("is no absolute path");
});
