import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockedPackage, readPackages } from "./packages.ts";
import { sbomText } from "./sbom.ts";

const dir = mkdtempSync(join(tmpdir(), "banger-sbom-"));
afterAll(() => rmSync(dir, { recursive: true }));

const integrity = `sha512-${Buffer.alloc(64, 1).toString("base64")}`;
const installed = {
  "node_modules/@scope/a": {
    version: "1.0.0",
    integrity,
    dependencies: { b: "*" },
    optionalDependencies: { c: "*" },
  },
  "node_modules/b": { version: "2.0.0", integrity },
  "node_modules/@scope/a/node_modules/b": { version: "1.5.0", integrity, dependencies: { "@scope/a": "*" } },
  "node_modules/d": { version: "1.0.0", integrity, dev: true },
};

function install(packages: Record<string, object>, described: object = { license: "MIT" }): void {
  for (const place of Object.keys(packages)) {
    mkdirSync(join(dir, place), { recursive: true });
    writeFileSync(join(dir, place, "package.json"), JSON.stringify(described));
    writeFileSync(join(dir, place, "LICENCE.md"), `of ${place}`);
  }
  const root = { dependencies: { "@scope/a": "*" } };
  // One is in the lockfile and not installed: of another platform.
  const all = { "": root, ...packages, "node_modules/c": { version: "1.0.0", integrity } };
  writeFileSync(join(dir, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages: all }));
}

describe("the packages of a release", () => {
  test("are those that are installed and not for development, each with what it finds from its place", () => {
    install(installed);
    const { shipped, asked } = readPackages(dir);
    expect([...shipped.keys()]).toEqual([
      "node_modules/@scope/a",
      "node_modules/@scope/a/node_modules/b",
      "node_modules/b",
    ]);
    expect(asked).toEqual(["node_modules/@scope/a"]);
    expect(shipped.get("node_modules/@scope/a")).toMatchObject({
      ...{ name: "@scope/a", needs: ["node_modules/@scope/a/node_modules/b"] },
      texts: [{ name: "LICENCE.md", text: "of node_modules/@scope/a" }],
    });
    expect(shipped.get("node_modules/@scope/a/node_modules/b")?.needs).toEqual(["node_modules/@scope/a"]);
    expect(lockedPackage(dir, "node_modules/d").version).toBe("1.0.0");
  });

  test("without a licence or a digest are no release's", () => {
    install(installed, {});
    expect(() => readPackages(dir)).toThrow("under which licence");
    install({ "node_modules/b": { version: "2.0.0", integrity: "sha1-AAAA" } });
    expect(() => readPackages(dir)).toThrow("no sha512 of node_modules/b");
  });
});

test("the SBOM names every part once, with its digest and licence, and is the same each time", () => {
  install(installed, { licenses: [{ type: "MIT" }] });
  const text = () =>
    sbomText({
      ...{
        version: "1.2.3",
        commit: "c0ffee",
        date: "2026-11-28T12:00:00Z",
        program: Buffer.from("program"),
      },
      ...{ packages: readPackages(dir), bun: { version: "1.4.5", integrity } },
      parts: new Map([["agent", Buffer.from("agent")]]),
      linked: [{ name: "musl-dev", version: "1.2.3-1+b1", licence: "MIT", what: "the C library", path: "" }],
      compiledBy: [{ name: "gcc-12", version: "12" }],
    });
  const sbom = JSON.parse(text());
  expect(text()).toBe(text());
  expect(sbom.serialNumber).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(sbom.components.map((one: { "bom-ref": string }) => one["bom-ref"])).toEqual([
    "banger-native/agent@1.2.3",
    "pkg:deb/debian/musl-dev@1.2.3-1%2Bb1?arch=amd64",
    "pkg:npm/%40oven/bun-linux-x64@1.4.5",
    "pkg:npm/%40scope/a@1.0.0",
    "pkg:npm/b@1.5.0",
    "pkg:npm/b@2.0.0",
  ]);
  expect(sbom.components[3]).toMatchObject({
    hashes: [{ alg: "SHA-512", content: "01".repeat(64) }],
    licenses: [{ license: { id: "MIT" } }],
  });
  expect(sbom.components[2].licenses).toEqual([{ expression: "MIT AND LGPL-2.0-only" }]);
  expect(sbom.dependencies[0]).toEqual({
    ref: "banger@1.2.3",
    dependsOn: [
      "banger-native/agent@1.2.3",
      "pkg:npm/%40oven/bun-linux-x64@1.4.5",
      "pkg:npm/%40scope/a@1.0.0",
    ],
  });
});
