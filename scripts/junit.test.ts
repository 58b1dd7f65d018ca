import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReport } from "./junit.mjs";

test("a report gives the counts and the names of what failed; none is no counts", () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-junit-"));
  try {
    writeFileSync(
      join(dir, "a.test.ts"),
      `import { expect, test } from "bun:test";
       test('f "q" <x> &', () => expect(1).toBe(2));
       test("passes", () => {});
       test.skip("skipped", () => {});
       test("throws", () => { throw new Error("why") });`,
    );
    const report = join(dir, "report.xml");
    Bun.spawnSync(
      [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, "./a.test.ts"],
      {
        cwd: dir,
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    expect(readReport(report)).toEqual({
      counts: { passed: 1, failed: 2, skipped: 1 },
      failures: ['f "q" <x> &', "throws"],
    });
    expect(readReport(join(dir, "none.xml"))).toEqual({
      counts: { passed: 0, failed: 0, skipped: 0 },
      failures: [],
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
