/** Streams that are whole, and those that are not quite: verdicts are zstd(1)'s, and for gzip those of Go's reader. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { failure, saying } from "../oci/testing/failures.ts";
import { type PackedFormat, packedFormat, unpacked, unpackedInMemory } from "./packed.ts";

const text = Buffer.from("something that is said again and again; ".repeat(40));
const zstd = (...options: string[]): Buffer => {
  const { stdout, error } = spawnSync("zstd", ["-q", "-c", ...options], { input: text });
  if (error !== undefined) throw error;
  return stdout;
};
const checked = zstd("--check");
const unchecked = zstd("--no-check");
const gzip = gzipSync(text);
/** RFC 8878, 3.1.2: a magic number, a length, and so many bytes. */
const skipped = Buffer.from("502a4d1804000000deadbeef", "hex");

async function* inSteps(bytes: Buffer, step: number) {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

async function whole(format: PackedFormat, bytes: Buffer, step = 1 << 20): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of unpacked(format, inSteps(bytes, step))) parts.push(chunk);
  return Buffer.concat(parts).toString("latin1");
}

const once = text.toString("latin1");
const accepted: [what: string, format: PackedFormat, bytes: Buffer, content: string][] = [
  ["a frame with a checksum", "zstd", checked, once],
  ["a frame without one", "zstd", unchecked, once],
  ["two frames", "zstd", Buffer.concat([checked, unchecked]), once + once],
  ["frames to be skipped around one", "zstd", Buffer.concat([skipped, checked, skipped]), once],
  ["a frame to be skipped between two", "zstd", Buffer.concat([checked, skipped, unchecked]), once + once],
  ["nothing but a frame to be skipped", "zstd", skipped, ""],
  ["a member", "gzip", gzip, once],
  ["two members", "gzip", Buffer.concat([gzip, gzip]), once + once],
];

describe("unpacked is", () => {
  test.each(accepted)("%s (%s), in pieces of any size", async (_, format, bytes, content) => {
    for (const step of [1, 7, 1 << 20]) expect(await whole(format, bytes, step)).toBe(content);
    expect((await unpackedInMemory(format, bytes, content.length)).toString("latin1")).toBe(content);
  });
});

const refusal = (format: PackedFormat) => saying("corrupt", new RegExp(`it is damaged, or no ${format}: `));

describe("what is cut off is refused at each of its bytes:", () => {
  const ends = new Map<PackedFormat, Set<number>>();
  test.each(accepted)("%s (%s)", async (_, format, bytes) => {
    for (const step of [1, 1 << 20]) {
      for (let length = 0; length < bytes.length; length += 1) {
        const cut = bytes.subarray(0, length);
        // Of several, one can be the last.
        if (isWhole(cut, format)) {
          ends.set(format, (ends.get(format) ?? new Set()).add(length));
          continue;
        }
        expect(await failure(whole(format, cut, step)), `at ${length}`).toMatchObject(refusal(format));
      }
    }
  });

  test("but where one of several ends", () => {
    const zstdEnds = [skipped.length, skipped.length + checked.length, checked.length];
    expect([...(ends.get("zstd") ?? [])].sort((a, b) => a - b)).toEqual(
      [...new Set([...zstdEnds, checked.length + skipped.length])].sort((a, b) => a - b),
    );
    expect([...(ends.get("gzip") ?? [])]).toEqual([gzip.length]);
  });

  function isWhole(bytes: Buffer, format: PackedFormat): boolean {
    return spawnSync(format, ["-tq"], { input: bytes }).status === 0;
  }
});

describe("what goes on behind its end is refused:", () => {
  const behind: [what: string, bytes: (format: PackedFormat, one: Buffer) => Buffer][] = [
    ["by words", () => Buffer.from("garbage!")],
    ["by a letter", () => Buffer.from("g")],
    ["by a zero", () => Buffer.alloc(1)],
    ["by a block of zeros", () => Buffer.alloc(512)],
    ["by zeros and another", (_, one) => Buffer.concat([Buffer.alloc(8), one])],
    ["by the first byte of another", (_, one) => one.subarray(0, 1)],
    ["by the first three of another", (_, one) => one.subarray(0, 3)],
    ["by one of the other kind", (format) => (format === "gzip" ? checked : gzip)],
  ];
  test.each(behind)("%s", async (_, more) => {
    for (const [format, one] of [
      ["zstd", checked],
      ["zstd", unchecked],
      ["gzip", gzip],
    ] as const) {
      const bytes = Buffer.concat([one, more(format, one)]);
      for (const step of [1, one.length, 1 << 20])
        expect(await failure(whole(format, bytes, step))).toMatchObject(refusal(format));
      // zstd(1) reads gzip, too.
      if (format === "zstd" && !bytes.subarray(one.length).equals(gzip))
        expect(spawnSync("zstd", ["-tq"], { input: bytes }).status).toBe(1);
    }
  });
});

test("a checksum that is another is refused", async () => {
  for (const [format, bytes, at] of [
    ["zstd", checked, 1],
    ["gzip", gzip, 5],
    ["gzip", gzip, 1],
  ] as const) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bytes.length - at) ^ 1, bytes.length - at);
    expect(await failure(whole(format, changed))).toMatchObject(refusal(format));
  }
});

test("the format is known by its beginning", () => {
  expect([checked, skipped, gzip, text, checked.subarray(0, 3), Buffer.alloc(0)].map(packedFormat)).toEqual([
    ...(["zstd", "zstd", "gzip"] as const),
    ...[undefined, undefined, undefined],
  ]);
});

test("what fails to come is told as that, and not as damage", async () => {
  const lost = new Error("the connection was lost");
  const source = async function* () {
    yield checked.subarray(0, 10);
    throw lost;
  };
  const read = async () => {
    for await (const _ of unpacked("zstd", source()));
  };
  expect(await failure(read())).toBe(lost);
});

test("who stops taking stops the source", async () => {
  let ended = false;
  const source = async function* () {
    try {
      for (;;) yield checked;
    } finally {
      ended = true;
    }
  };
  for await (const _ of unpacked("zstd", source())) break;
  expect(ended).toBe(true);
});

test("more than is wanted in memory is refused", async () => {
  for (const [format, bytes] of [
    ["zstd", checked],
    ["gzip", gzip],
  ] as const)
    expect(await failure(unpackedInMemory(format, bytes, text.length - 1))).toMatchObject(
      saying("corrupt", /more than/),
    );
});
