import { expect, test } from "bun:test";
import { type HashSeed, nameHash } from "./name-hash.ts";

const none: HashSeed = [0, 0, 0, 0];
/** The words of 78dd8ffd-2e4e-4159-bbf8-3bc11b730855. */
const seed: HashSeed = [0xfd8fdd78, 0x59414e2e, 0xc13bf8bb, 0x5508731b];

test("names hash as debugfs says (dx_hash -h half_md4 -s SEED NAME)", () => {
  expect(nameHash("a", seed, true)).toBe(0x190cd72a);
  expect(nameHash("hello", seed, true)).toBe(0x63e080dc);
  expect(nameHash("file-123", seed, true)).toBe(0x77e40dac);
  expect(nameHash("n".repeat(100), seed, true)).toBe(0x99822758);
});

test("bytes above 127 hash as the machine's chars are, signed (-h 1) or not (-h 4)", () => {
  expect(nameHash("caf\xe9\xff", none, true)).toBe(0x23ebaa7a);
  expect(nameHash("caf\xe9\xff", none, false)).toBe(0xfebde14c);
});
