import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatInstall, type Install, readInstall } from "./install.ts";

const directory = mkdtempSync(join(tmpdir(), "banger-install-"));
const file = join(directory, "install.toml");
afterEach(() => rmSync(file, { recursive: true, force: true }));
afterAll(() => rmSync(directory, { recursive: true }));

const install: Install = {
  owner: "alice",
  uid: 1000,
  gid: 1000,
  home: "/home/alice",
  version: "0.1.0",
  commit: "0123abcd",
  built_at: "2026-03-04T10:00:00Z",
  installed_at: "2026-03-04T11:00:00.000Z",
};

describe("install.toml", () => {
  test("is read as it was written", () => {
    writeFileSync(file, formatInstall(install));
    expect(readInstall(file)).toEqual(install);
  });

  test("that is not there is no installation", () => {
    expect(readInstall(file)).toBeUndefined();
  });

  test.each([
    ["root as owner", { uid: 0 }, "uid"],
    ["a name that would be a line of its own in a unit", { owner: "a\nExecStart=/bin/sh" }, "owner"],
    ["a name that systemd would expand", { owner: "%u" }, "owner"],
    ["a home that is no path", { home: "home" }, "home"],
    ["a time that is none", { installed_at: "yesterday" }, "installed_at"],
  ])("with %s is refused, by its key", (_what, change, key) => {
    expect(() => formatInstall({ ...install, ...change })).toThrow();
    const text = formatInstall(install).replace(
      new RegExp(`^${key} = .*$`, "m"),
      () => `${key} = ${JSON.stringify(Object.values(change)[0])}`,
    );
    writeFileSync(file, text);
    expect(() => readInstall(file)).toThrow(`install.toml cannot be used: ${key}: `);
  });

  test.each([
    ["an unknown key", `${formatInstall(install)}shell = "/bin/sh"\n`],
    ["a missing key", formatInstall(install).replace(/^gid.*\n/m, "")],
    ["half of a line", formatInstall(install).slice(0, -20)],
  ])("with %s is refused whole", (_what, text) => {
    writeFileSync(file, text);
    expect(() => readInstall(file)).toThrow("cannot be used");
  });
});
