/**
 * All inputs of klauspost's zstd decoder, through ours as layers and as bundles go: verdicts and contents are zstd(1)'s, and
 * nothing that is cut off passes, whatever its diff_id says. BANGER_CORPORA=all cuts small ones at every byte.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernelBundle, unpackBundle } from "../../src/bundle/bundle.ts";
import { Digest } from "../../src/download/download.ts";
import { type Reading, unpacked as unpackedLayer } from "../../src/oci/layers/unpack.ts";
import { imageLimits } from "../../src/oci/limits.ts";
import { failure } from "../../src/oci/testing/failures.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { packedFormat, unpacked } from "../../src/packed/packed.ts";
import { byZstd, zips, zstdInputs } from "./corpora-zstd-inputs.ts";

const manyCuts = process.env.BANGER_CORPORA === "all";

let dir: string;
let inputs: Map<string, string>;
/** What zstd(1) makes of them; undefined where it refuses. */
let theirs: Map<string, string | undefined>;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-zstd-"));
  inputs = zstdInputs(dir);
  const made = byZstd(dir, [...inputs.values()]);
  theirs = new Map([...inputs.keys()].map((name, n) => [name, ofZstd(name, made[n])]));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Where Bun's libzstd (1.5.7) and Debian's (1.5.4) differ: what is refused is nothing that a compressor writes. */
const notAtEnd = "its bits do not end where they should, for klauspost's decoder neither";
const small = "a compressed block of 2 bytes, which libzstd refuses since 1.5.5";
const stricter: Record<string, string> = {
  "good/2274d31e0d569fe9e31bedc4f9fddd9c9f114c2f.zst": small,
  "fuzz/decode-oss/clusterfuzz-testcase-minimized-FuzzDecoder-6335995831517184": small,
  "bad/76671405460bb57ffd4a0079e8d380748e6c0697.zst": notAtEnd,
  ...Object.fromEntries(
    [
      "ec2a6c72c2c00aee41204ad8056953cc68322e7d0931125aca288ef0cdfca6df",
      "083172e1fc095849df8fa0740602f0859299d9b901517ef26e808c10cb233925",
      "5c7d21b38c36e6ba8d124cdca45470215fbb3f17a2cd96e14e10337069205c4e",
      "94c4784666edcbefe2c84a5953a2ba4669183070433b685a71181b86a087338e",
    ].map((name) => [`fuzz/decode-corpus-encoded/${name}`, notAtEnd]),
  ),
};

/** Other formats it unpacks as what they are. */
function ofZstd(name: string, made: Buffer | undefined): string | undefined {
  if (made === undefined || name in stricter) return undefined;
  return packedFormat(readFileSync(inputs.get(name) ?? "")) === "zstd" ? sha256(made) : undefined;
}

const refusal = { code: "corrupt", message: expect.stringContaining("it is damaged, or no zstd: ") };

async function* pieces(bytes: Buffer) {
  yield bytes;
}

/** By the decoder that all share: what it unpacks to; or its refusal. */
async function decoded(bytes: Buffer): Promise<Verdict> {
  const hash = createHash("sha256");
  const refused = await failure(
    (async () => {
      for await (const chunk of unpacked("zstd", pieces(bytes))) hash.update(chunk);
    })(),
  );
  return refused === undefined ? { content: `sha256:${hash.digest("hex")}` } : { refused };
}

interface Verdict {
  content?: string;
  refused?: unknown;
}

/** What every zstd stream may begin with, and a layer is known by. */
const skipped = Buffer.from("502a4d1800000000", "hex");
const nothing = Digest.parse(sha256(Buffer.from("what none of them unpacks to")));
/** Its diff_id is wrong on purpose: a decoder that finds nothing amiss leaves it to that to say so, and what it is instead. */
const otherContent = /^it unpacks to (sha256:[0-9a-f]{64}), but/;

async function asLayer(bytes: Buffer): Promise<Verdict> {
  const path = join(dir, "layer");
  writeFileSync(path, Buffer.concat([skipped, bytes]));
  const blob = await open(path, "r");
  const reading: Reading = {
    ...{ limits: imageLimits, unpackedBytes: 0, entries: 0, onPacked: () => {}, needRoom: async () => {} },
  };
  const descriptor = { mediaType: "x", digest: nothing, size: skipped.length + bytes.length };
  const { signal } = new AbortController();
  const refused = await failure(
    (async () => {
      for await (const _ of unpackedLayer({ blob, descriptor, diffId: nothing }, reading, signal));
    })(),
  );
  await blob.close();
  const content = refused instanceof Error ? otherContent.exec(refused.message)?.[1] : undefined;
  return content === undefined ? { refused } : { content };
}

const bundle = Bun.zstdCompressSync(
  tar([
    {
      path: "manifest.json",
      content: JSON.stringify({
        ...{ version: 1, kind: "kernel", id: sha256(Buffer.alloc(0)), name: "k", arch: "amd64" },
        ...{ release: "6.12.1", source: "s" },
      }),
    },
    { path: "vmlinux", content: "ELF" },
  ]),
);

/** As the last frames of a bundle, which fill it up: whatever they have in them, when it is not too much. */
async function asBundle(bytes: Buffer): Promise<Verdict> {
  const directory = join(dir, "bundle");
  mkdirSync(directory);
  const refused = await failure(
    unpackBundle({
      ...{ chunks: pieces(Buffer.concat([bundle, bytes])), shape: kernelBundle, directory },
      ...{ maxBytes: 1024 ** 2, signal: new AbortController().signal },
    }),
  );
  rmSync(directory, { recursive: true });
  return refused === undefined ? { content: "a bundle" } : { refused };
}

/** What fills a bundle up is 4 MiB at most: some are refused for that, before their end is seen. */
const isTooLong = (refused: unknown) =>
  refused instanceof Error && refused.message === "the bundle goes on behind its end";

test("all of them are here", () => {
  const found = Object.groupBy([...inputs.keys()], (name) => name.slice(0, name.lastIndexOf("/")));
  const counts = Object.entries(zips).map(([zip, count]) => {
    const names = Object.entries(found).filter(([place]) => place === zip || place.startsWith(`${zip}/`));
    return [zip, names.reduce((sum, [, some = []]) => sum + some.length, 0), count];
  });
  expect(counts.filter(([, have, count]) => have !== count)).toEqual([]);
});

test("all that is bad is refused by the decoder itself", async () => {
  const bad = [...inputs].filter(([name]) => /^bad\/.*\.zst$/.test(name));
  expect(bad.length).toBe(32);
  for (const [name, path] of bad)
    expect((await decoded(readFileSync(path))).refused, name).toMatchObject(refusal);
});

test("all that is good is what it should be", async () => {
  const good = [...inputs].filter(([name]) => /^(good|decoder|large)\/.*\.zst$/.test(name));
  expect(good.length).toBeGreaterThan(100);
  for (const [name, path] of good) {
    const { content, refused } = await decoded(readFileSync(path));
    if (name in stricter) expect(refused, name).toMatchObject(refusal);
    else expect(content, name).toBe(sha256(readFileSync(path.replace(/\.zst$/, ""))));
  }
});

describe("of all inputs, zstd(1) accepts the same ones, and makes the same of them:", () => {
  test("by themselves", async () => {
    let accepted = 0;
    for (const [name, path] of inputs) {
      const { content, refused } = await decoded(readFileSync(path));
      if (content !== undefined) accepted += 1;
      else expect(refused, name).toMatchObject(refusal);
      expect(content, name).toBe(theirs.get(name));
    }
    expect(accepted).toBe(357);
  });

  test("as layers", async () => {
    for (const [name, path] of inputs) {
      const bytes = readFileSync(path);
      const { content, refused } = await asLayer(bytes);
      if (content === undefined) expect(refused, name).toMatchObject(refusal);
      expect(content, name).toBe(bytes.length === 0 ? sha256(bytes) : theirs.get(name));
    }
  });

  test("as the end of a bundle", async () => {
    for (const [name, path] of inputs) {
      const bytes = readFileSync(path);
      const { refused } = await asBundle(bytes);
      const accepted = bytes.length === 0 || theirs.get(name) !== undefined;
      if (!accepted) expect(refused, name).toMatchObject(isTooLong(refused) ? { code: "corrupt" } : refusal);
      else if (!isTooLong(refused)) expect(refused, name).toBeUndefined();
    }
  });
});

/** Where it is cut: at its end byte by byte, and on the way. */
function cutsOf(size: number): number[] {
  if (manyCuts && size < 1000) return Array.from({ length: size - 1 }, (_, n) => n + 1);
  const count = manyCuts ? 100 : 24;
  const step = Math.max(1, Math.floor(size / count));
  const ends = Array.from({ length: count / 2 }, (_, n) => size - 1 - n);
  const inside = Array.from({ length: count }, (_, n) => 4 + n * step);
  return [...new Set([...inside, ...ends])].filter((length) => length > 0 && length < size);
}

describe("none that is cut off passes:", () => {
  // A bundle makes files, which takes longer than all else: of its cuts every fourth.
  const ways: [how: string, verdict: (bytes: Buffer) => Promise<Verdict>, each: number][] = [
    ["by itself", decoded, 1],
    ["as a layer", asLayer, 1],
    ["as the end of a bundle", asBundle, manyCuts ? 1 : 4],
  ];
  for (const [how, verdict, each] of ways) {
    test(how, async () => {
      let cuts = 0;
      for (const [name, path] of inputs) {
        if (theirs.get(name) === undefined) continue;
        const bytes = readFileSync(path);
        for (const length of cutsOf(bytes.length)) {
          cuts += 1;
          if (cuts % each !== 0) continue;
          const { content, refused } = await verdict(bytes.subarray(0, length));
          // Of frames one after the other, and of such as are skipped, one can be the last.
          if (content !== undefined && isBoundary(bytes, length)) continue;
          if (isTooLong(refused)) continue;
          expect(refused, `${name} at ${length} of ${bytes.length}`).toMatchObject(refusal);
        }
      }
      expect(cuts).toBeGreaterThan(5000);
    });
  }
});

/** Whether zstd(1) takes it for whole. */
function isBoundary(bytes: Buffer, length: number): boolean {
  return spawnSync("zstd", ["-tq"], { input: bytes.subarray(0, length) }).status === 0;
}
