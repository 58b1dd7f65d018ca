import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callableName, currentVersion, installedPlace, placeBelow, versionName } from "./installed.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-installed-"));
  mkdirSync(join(dir, "bin"));
});
afterAll(() => rmSync(dir, { recursive: true }));

test("a program knows where it was installed by where it lies", () => {
  expect(installedPlace("/usr/local/lib/banger/versions/1.2.3-01234567/banger")).toEqual({
    link: "/usr/local/bin/banger",
    library: "/usr/local/lib/banger",
    versions: "/usr/local/lib/banger/versions",
  });
  for (const path of ["/usr/local/bin/banger", "/src/dist/banger", "/usr/local/lib/banger/versions/banger"])
    expect(installedPlace(path)).toBeUndefined();
});

test("the link says which version is the current one, unless it leads elsewhere", () => {
  const installed = placeBelow(dir);
  const name = versionName({ version: "1.2.3-rc.1", commit: "01234567" });
  const program = join(installed.versions, name, "banger");
  expect([currentVersion(installed), callableName(program)]).toEqual([undefined, program]);
  symlinkSync(program, installed.link);
  expect([currentVersion(installed), callableName(program)]).toEqual([name, installed.link]);
  rmSync(installed.link);
  symlinkSync("../lib/banger/versions/1.2.3-rc.1-01234567/banger", installed.link);
  expect(currentVersion(installed)).toBe(name);
  for (const target of ["/elsewhere/lib/banger/versions/x/banger", "../lib/banger/banger"]) {
    rmSync(installed.link);
    symlinkSync(target, installed.link);
    expect(currentVersion(installed)).toBeUndefined();
  }
  rmSync(installed.link);
  writeFileSync(installed.link, "a program");
  expect(currentVersion(installed)).toBeUndefined();
});
