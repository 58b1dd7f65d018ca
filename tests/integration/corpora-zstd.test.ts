/**
 * The inputs of klauspost's zstd decoder, through ours as layers go: verdicts and contents are zstd(1)'s, and nothing that
 * is cut off passes, whatever its diff_id says.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Digest } from "../../src/download/download.ts";
import { type Reading, unpacked as unpackedLayer } from "../../src/oci/layers/unpack.ts";
import { imageLimits } from "../../src/oci/limits.ts";
import { failure } from "../../src/oci/testing/failures.ts";
import { goModule, unzip } from "./corpora-fixture.ts";

const compress = {
  ...{ path: "github.com/klauspost/compress", version: "v1.20.3" },
  sum: "h1:zWNoFqq/lSuYQRim3dUXlXeA0IqwuZGicdG5ZTfY5j4=",
};
const zips = [
  ...["bad", "good", "decoder", "large", "benchdecoder", "regression", "decode-regression", "headers"],
  ...["fuzz/decode-corpus-raw"],
];

/** Of a frame, or of one to be skipped, in hex. */
const magic = "^(28b52ffd|5[0-9a-f]2a4d18)$";

let dir: string;
/** Name, with its archive's, to path. */
const inputs = new Map<string, string>();
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-zstd-"));
  const testdata = join(goModule(compress), "zstd/testdata");
  for (const zip of zips) {
    // Beside what is good is what it unpacks to.
    const all = ["good", "decoder", "large"].includes(zip);
    unzip(join(testdata, `${zip}.zip`), join(dir, zip), all ? "" : magic);
    for (const name of readdirSync(join(dir, zip))) inputs.set(`${zip}/${name}`, join(dir, zip, name));
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const nothing = sha256(Buffer.from("what none of them unpacks to"));

/** As a layer: what it unpacks to, or why it does not. `bytes`: so many of it alone. */
async function unpacked(path: string, bytes?: number): Promise<{ content?: Buffer; refused?: unknown }> {
  const file = await open(path, "r");
  const whole = (await file.stat()).size;
  // What is read of it ends where it is cut.
  const read: typeof file.read = async (...args: unknown[]) => {
    const [buffer, offset, length, position] = args as [Buffer, number, number, number];
    return await file.read(
      buffer,
      offset,
      Math.max(0, Math.min(length, (bytes ?? whole) - position)),
      position,
    );
  };
  const blob = Object.assign(Object.create(file), { read });
  const descriptor = { mediaType: "x", digest: Digest.parse(nothing), size: bytes ?? whole };
  const { signal } = new AbortController();
  const reading: Reading = {
    ...{ limits: imageLimits, unpackedBytes: 0, entries: 0, onPacked: () => {}, needRoom: async () => {} },
  };
  const parts: Buffer[] = [];
  const error = await failure(
    (async () => {
      for await (const chunk of unpackedLayer(
        { blob, descriptor, diffId: Digest.parse(nothing) },
        reading,
        signal,
      ))
        parts.push(Buffer.from(chunk));
    })(),
  );
  await file.close();
  // The diff_id is wrong on purpose: a decoder that finds nothing amiss leaves it to that to say so.
  if (error instanceof Error && error.message.startsWith("it unpacks to "))
    return { content: Buffer.concat(parts) };
  return { refused: error };
}

const refusal = { code: "corrupt", message: expect.stringContaining("it is damaged, or no zstd: ") };

/** Only what begins as zstd does is unpacked as that: the rest is layers of another kind, or none. */
function isZstd(path: string): boolean {
  const head = readFileSync(path).toString("hex", 0, 4);
  return new RegExp(magic).test(head);
}

const packed = (...of: string[]) =>
  [...inputs].filter(([name, path]) => of.some((zip) => name.startsWith(`${zip}/`)) && isZstd(path));

/** By zstd(1), as many as there are at once: undefined for what it refuses. */
function byZstd(paths: readonly string[]): (Buffer | undefined)[] {
  const [from, into] = [join(dir, "from"), join(dir, "into")];
  for (const each of [from, into]) mkdirSync(each);
  for (const [n, path] of paths.entries()) linkSync(path, join(from, `${n}.zst`));
  const all = paths.map((_, n) => join(from, `${n}.zst`));
  const run = spawnSync("zstd", ["-dq", "--memory=128MB", "--output-dir-flat", into, ...all]);
  if (run.error !== undefined) throw run.error;
  const found = paths.map((_, n) => {
    const path = join(into, String(n));
    return existsSync(path) ? readFileSync(path) : undefined;
  });
  for (const each of [from, into]) rmSync(each, { recursive: true });
  return found;
}

/** Where Bun's libzstd (1.5.7) and Debian's (1.5.4) differ: what is refused is nothing that a compressor writes. */
const stricter: Record<string, string> = {
  "good/2274d31e0d569fe9e31bedc4f9fddd9c9f114c2f.zst":
    "a compressed block of 2 bytes, which libzstd refuses since 1.5.5",
  "bad/76671405460bb57ffd4a0079e8d380748e6c0697.zst": "its bits do not end where they should",
};

test("all that is bad is refused by the decoder itself", async () => {
  const bad = packed("bad");
  expect(bad.length).toBe(31);
  for (const [name, path] of bad) expect((await unpacked(path)).refused, name).toMatchObject(refusal);
});

test("all that is good is what it should be", async () => {
  const good = packed("good", "decoder", "large").filter(([name]) => name.endsWith(".zst"));
  expect(good.length).toBeGreaterThan(100);
  for (const [name, path] of good) {
    const { content, refused } = await unpacked(path);
    if (name in stricter) {
      expect(refused, name).toMatchObject(refusal);
      continue;
    }
    expect(sha256(content ?? Buffer.from("refused")), name).toBe(
      sha256(readFileSync(path.replace(/\.zst$/, ""))),
    );
  }
});

test("of all inputs, zstd(1) accepts the same ones, and makes the same of them", async () => {
  const all = packed(...zips);
  expect(all.length).toBeGreaterThan(3700);
  const theirs = byZstd(all.map(([, path]) => path));
  let accepted = 0;
  for (const [n, [name, path]] of all.entries()) {
    const { content } = await unpacked(path);
    if (content !== undefined) accepted += 1;
    const expected = name in stricter ? undefined : theirs[n];
    expect(content === undefined ? undefined : sha256(content), name).toBe(
      expected === undefined ? undefined : sha256(expected),
    );
  }
  expect(accepted).toBeGreaterThan(300);
});

test("none that is cut off passes", async () => {
  const whole = packed("good", "decoder", "benchdecoder").filter(([name]) => !(name in stricter));
  let cuts = 0;
  for (const [name, path] of whole) {
    const size = readFileSync(path).length;
    const step = Math.max(1, Math.floor(size / 24));
    const ends = Array.from({ length: 12 }, (_, n) => size - 1 - n).filter((length) => length > 4);
    const inside = Array.from({ length: 24 }, (_, n) => 4 + n * step).filter((length) => length < size);
    for (const length of new Set([...inside, ...ends])) {
      cuts += 1;
      const { content, refused } = await unpacked(path, length);
      // Of frames one after the other, and of such as are skipped, one can be the last.
      if (content !== undefined && isBoundary(readFileSync(path), length)) continue;
      expect(refused, `${name} at ${length} of ${size}`).toMatchObject(refusal);
    }
  }
  expect(cuts).toBeGreaterThan(2000);
});

/** Whether zstd(1) takes it for whole. */
function isBoundary(bytes: Buffer, length: number): boolean {
  return spawnSync("zstd", ["-tq"], { input: bytes.subarray(0, length) }).status === 0;
}
