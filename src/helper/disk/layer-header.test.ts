import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasChunksOf } from "./layer-header.ts";

const magic = 0x70416e53;

test.each<[string, number[], boolean]>([
  ["a new one", [0, 0, 0, 0], true],
  ["an empty file", [], true],
  ["one with such chunks", [magic, 1, 1, 8], true],
  ["one with chunks of half a GiB", [magic, 1, 1, 2 ** 20], false],
  ["one with chunks of no size", [magic, 1, 1, 0], false],
  ["one that ends in its header", [magic, 1], false],
  ["no layer at all", [0x464c457f, 1, 1, 8], false],
])("%s", (_what, words, expected) => {
  const dir = mkdtempSync(join(tmpdir(), "banger-layer-"));
  const path = join(dir, "root.cow");
  const header = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) header.writeUInt32LE(word, index * 4);
  writeFileSync(path, header);
  const layer = openSync(path, "r");
  try {
    expect(hasChunksOf(layer, 8)).toBe(expected);
  } finally {
    closeSync(layer);
    rmSync(dir, { recursive: true });
  }
});
