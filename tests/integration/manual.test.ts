/** The manual pages, as the two programs read them that hosts have for that. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "banger-man-"));
afterAll(() => rmSync(dir, { recursive: true }));

const run = (words: string[]) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync(words, { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  return { status: exitCode, said: `${stdout}${stderr}` };
};

test("neither mandoc nor man has anything to say against a page", () => {
  const main = join(import.meta.dir, "../../src/main.ts");
  expect(run([process.execPath, main, "internal", "man", dir]).status).toBe(0);
  const pages = readdirSync(dir).map((name) => join(dir, name));
  expect(pages.length).toBeGreaterThan(10);
  const { said } = run(["mandoc", "-T", "lint", "-W", "warning", ...pages]);
  // Run from source banger has no date of its build.
  expect(said.split("\n").filter((line) => line !== "" && !line.includes("missing date"))).toEqual([]);
  if (Bun.which("man") === null) return;
  for (const page of pages)
    expect(run(["sh", "-c", 'man --warnings -E UTF-8 -l -Tutf8 -Z "$0" 2>&1 >/dev/null', page]).said).toBe(
      "",
    );
});
