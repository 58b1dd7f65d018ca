import { expect, test } from "bun:test";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { checkWorkspacePath, type IndexEntry, parseIndex } from "./index-file.ts";
import { writeIndex } from "./index-write.ts";

const noStat = { ctimeS: 0, ctimeNs: 0, mtimeS: 0, mtimeNs: 0, ino: 0, size: 0 };
const entry = (path: string | Buffer, more: Partial<IndexEntry> = {}): IndexEntry => ({
  path: Buffer.from(path),
  mode: 0o100644,
  oid: Buffer.alloc(20, 7),
  stage: 0,
  assumeUnchanged: false,
  skipWorktree: false,
  intentToAdd: false,
  stat: noStat,
  ...more,
});
const write = (entries: IndexEntry[]) =>
  writeIndex(
    entries.map((e) => ({ entry: e, clean: undefined })),
    20,
  );

test("an index is read back as it was written, flags and stages and long names included", () => {
  const entries = [
    entry("a", { mode: 0o100755 }),
    entry("b", { stage: 1 }),
    entry("b", { stage: 3 }),
    entry(Buffer.from([0x62, 0xff])),
    entry("c", { assumeUnchanged: true, skipWorktree: true }),
    entry("d".repeat(5000), { intentToAdd: true }),
    entry("e", { mode: 0o120000 }),
  ];
  expect(parseIndex(write(entries), 20)).toEqual({ entries, incomplete: false });
});

test("names as long as every padding give a readable index", () => {
  for (let length = 1; length < 20; length += 1) {
    const entries = [entry("a".repeat(length)), entry("b")];
    expect(parseIndex(write(entries), 20).entries).toHaveLength(2);
  }
});

test("names that leave the tree or touch a .git directory are refused", () => {
  for (const bad of [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    ".git/x",
    "a/.GIT/hooks/x",
    "x/.git",
  ]) {
    expect(() => checkWorkspacePath(Buffer.from(bad))).toThrow(BangerError);
  }
  for (const good of ["a", ".gitignore", "..a", "a/...", "a b/-x", ".gita/b", "git"]) {
    expect(() => checkWorkspacePath(Buffer.from(good))).not.toThrow();
  }
});

test("unsorted names, foreign modes, wrong counts and cut files are refused", () => {
  expect(() => parseIndex(write([entry("b"), entry("a")]), 20)).toThrow(/out of order/);
  expect(() => parseIndex(write([entry("a"), entry("a")]), 20)).toThrow(/out of order/);
  expect(() => parseIndex(write([entry("a", { mode: 0o40755 })]), 20)).toThrow(/mode/);
  const good = write([entry("a"), entry("b")]);
  const lying = Buffer.from(good);
  lying.writeUInt32BE(4_000_000_000, 8);
  expect(() => parseIndex(lying, 20)).toThrow(BangerError);
  for (let end = 0; end < good.length - 1; end += 1) {
    expect(() => parseIndex(good.subarray(0, end), 20)).toThrow(BangerError);
  }
});

test("no mutation of an index fails in another way than with a clear error", () => {
  const good = write([entry("a/b"), entry("c", { skipWorktree: true }), entry("d".repeat(300))]);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        for (const { path } of parseIndex(bytes, 20).entries) checkWorkspacePath(path);
      } catch (error) {
        expect(error).toBeInstanceOf(BangerError);
      }
    }),
    { numRuns: 2000 },
  );
});
