import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pinnedTools } from "./pinned-tools.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "banger-pins-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const pins = (files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  return pinnedTools(root).map(({ tool, version, file }) => `${tool}@${version} ${file}`);
};

test.each([
  ["go.mod", "module x\n\ngo 1.22.3\n", "go@1.22.3"],
  ["go.mod", "module x\ngo 1.21\ntoolchain go1.22.5\n", "go@1.22.5"],
  [".nvmrc", "v20.11.1\n", "node@20.11.1"],
  [".node-version", "20\n", "node@20"],
  ["package.json", '{ "engines": { "node": "20.x" } }', "node@20"],
  [".python-version", "3.12\n", "python@3.12"],
  ["rust-toolchain", "1.78.0\n", "rust@1.78.0"],
  ["rust-toolchain", '[toolchain]\nchannel = "1.78"\n', "rust@1.78"],
  ["rust-toolchain.toml", '[toolchain]\nchannel = "1.78"\n', "rust@1.78"],
])("%s with %j pins %s", (file, text, pin) => {
  expect(pins({ [file]: text })).toEqual([`${pin} ${file}`]);
});

test.each([
  ["go.mod", "module x\ngo 1.22 // go\n"],
  [".nvmrc", "lts/iron\n"],
  [".nvmrc", "20; touch /owned\n"],
  [".nvmrc", "20\n18\n"],
  ["package.json", '{ "engines": { "node": ">=18" } }'],
  ["package.json", '{ "engines": { "node": "^20.1.0" } }'],
  ["package.json", "{"],
  ["package.json", "null"],
  [".python-version", "pypy3.10\n"],
  [".python-version", "3.12.1.4\n"],
  ["rust-toolchain.toml", '[toolchain]\nchannel = "nightly"\n'],
  ["rust-toolchain", "$(id)\n"],
])("%s with %j pins nothing", (file, text) => {
  expect(pins({ [file]: text })).toEqual([]);
});

test("a tool is pinned once, by its own file before package.json, and by no link", () => {
  expect(
    pins({ ".nvmrc": "20", "package.json": '{ "engines": { "node": "18" } }', "go.mod": "go 1.22\n" }),
  ).toEqual(["go@1.22 go.mod", "node@20 .nvmrc"]);
  rmSync(join(root, "go.mod"));
  symlinkSync(join(root, ".nvmrc"), join(root, "go.mod"));
  expect(pins({})).toEqual(["node@20 .nvmrc"]);
});
