import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { BangerError } from "../../base/base.ts";
import { Digest } from "../../download/download.ts";
import { end } from "../../tar/testing/archive.ts";
import { imageLimits, unpackLayer } from "../oci.ts";
import { failure, saying } from "../testing/failures.ts";
import { file, flattened, plain } from "../testing/flatten.ts";
import { buildImage, digestOf, type Packing } from "../testing/image-builder.ts";
import { rootListing } from "../testing/memory-sink.ts";
import { Flattening } from "../testing/pull.ts";
import { entryBytes, tar } from "../testing/tar-writer.ts";

describe("a layer", () => {
  const archive = tar([file("a", "x".repeat(100_000))]);
  const packings: [Packing, (bytes: Buffer) => Buffer][] = [
    ["plain", (bytes) => bytes],
    ["gzip", (bytes) => gzipSync(bytes)],
    ["zstd", (bytes) => Bun.zstdCompressSync(bytes)],
  ];

  test.each(packings)("may be packed as %s, whatever its media type says", async (_, pack) => {
    const { root } = await flattened([{ bytes: pack(archive), diffId: digestOf(archive) }]);
    expect(root.names()).toEqual(["a"]);
  });

  test.each(packings)("that is cut off, as %s, is refused at each of its bytes", async (_, pack) => {
    const whole = pack(archive);
    for (const length of [
      1,
      10,
      600,
      whole.length >> 1,
      whole.length - 512,
      whole.length - 9,
      whole.length - 1,
    ]) {
      if (length < 1 || length >= whole.length) continue;
      const cut = { bytes: whole.subarray(0, length), diffId: digestOf(archive) };
      expect(await failure(flattened([cut]))).toMatchObject({ code: "corrupt" });
    }
  });

  test.each(packings)(
    "whose diff_id is another, as %s, is refused before anything is written",
    async (_, pack) => {
      const other = { bytes: pack(archive), diffId: digestOf(Buffer.from("other")) };
      expect(await failure(flattened([other]))).toMatchObject(
        saying("corrupt", /unpacks to sha256:.*configuration says/),
      );
    },
  );

  test("may be packed in pieces, as lazy pullers want it, or with a frame to be skipped first", async () => {
    const pieces = [archive.subarray(0, 512), archive.subarray(512, 70_000), archive.subarray(70_000)];
    const skipped = Buffer.from("502a4d1804000000deadbeef", "hex");
    const forms = [
      Buffer.concat(pieces.map((piece) => gzipSync(piece))),
      Buffer.concat(pieces.map((piece) => Bun.zstdCompressSync(piece))),
      Buffer.concat([skipped, Bun.zstdCompressSync(archive), skipped]),
    ];
    for (const bytes of forms)
      expect((await flattened([{ bytes, diffId: digestOf(archive) }])).root.names()).toEqual(["a"]);
  });

  test("with more behind its end is refused by its diff_id alone", async () => {
    const longer = Buffer.concat([archive, Buffer.alloc(2048)]);
    expect((await flattened([plain(longer)])).root.names()).toEqual(["a"]);
    const hidden = { bytes: longer, diffId: digestOf(archive) };
    expect(await failure(flattened([hidden]))).toMatchObject({ code: "corrupt" });
  });

  test("whose zstd frame does not end, or is followed by something, is refused although all of it is there", async () => {
    // RFC 8878: a window of 2 MiB; blocks of the kind "raw", each behind its size and whether it is the last.
    const block = (bytes: Buffer, last: 0 | 1) => {
      const header = Buffer.alloc(3);
      header.writeUIntLE((bytes.length << 3) | last, 0, 3);
      return Buffer.concat([header, bytes]);
    };
    const head = Buffer.from("28b52ffd0058", "hex");
    const [one, two] = [archive.subarray(0, 60_000), archive.subarray(60_000)];
    const ended = Buffer.concat([head, block(one, 0), block(two, 1)]);
    const diffId = digestOf(archive);
    expect((await flattened([{ bytes: ended, diffId }])).root.names()).toEqual(["a"]);
    for (const bytes of [
      Buffer.concat([head, block(one, 0), block(two, 0)]),
      Buffer.concat([ended, Buffer.from("more")]),
      Buffer.concat([ended, ended.subarray(0, 5)]),
    ])
      expect(await failure(flattened([{ bytes, diffId }]))).toMatchObject(
        saying("corrupt", /is damaged, or no zstd/),
      );
  });

  test("that is no archive is refused, and the image is blamed", async () => {
    const damaged: string[] = [];
    const noise = plain(Buffer.from("x".repeat(2000)));
    expect(await failure(flattened([noise], {}, damaged))).toMatchObject(saying("corrupt", /^layer sha256:/));
    expect(damaged).toEqual([]);
  });

  test("that was damaged in the cache is told of as that", async () => {
    const bytes = gzipSync(archive);
    const damaged: string[] = [];
    const dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
    const bad = Buffer.from(bytes);
    bad.writeUInt8(bad.readUInt8(40) ^ 1, 40);
    const path = join(dir, "0");
    writeFileSync(path, bad);
    const handle = await open(path, "r");
    const descriptor = { mediaType: "x", digest: Digest.parse(digestOf(bytes)), size: bytes.length };
    const layer = { blob: handle, descriptor, diffId: Digest.parse(digestOf(archive)) };
    const flattening = new Flattening(imageLimits, new AbortController().signal, async () => {
      damaged.push(path);
    });
    expect(await failure(flattening.add(layer, 0))).toMatchObject(
      saying("corrupt", /was damaged in the cache/),
    );
    flattening.close();
    await handle.close();
    expect(damaged).toEqual([path]);
    expect(readFileSync(path).equals(bad)).toBe(true);
    rmSync(dir, { recursive: true });
  });

  test("made to fill a disk is refused", async () => {
    const zeros = tar([{ path: "a", content: Buffer.alloc(3_000_000) }]);
    const bomb = { bytes: gzipSync(zeros), diffId: digestOf(zeros) };
    const limits = { ratio: 100, ratioFloorBytes: 1_000_000 };
    expect(await failure(flattened([bomb], limits))).toMatchObject(
      saying("precondition", /unpacks from .* to more than/),
    );
    expect(await failure(flattened([bomb], { unpackedBytes: 2_000_000 }))).toMatchObject(
      saying("precondition", /layers unpack to more than/),
    );
    expect((await flattened([bomb])).totals.contentBytes).toBe(3_000_000);
  });

  test("with more entries, or more directories, than anybody has is refused", async () => {
    const many = Array.from({ length: 50 }, (_, n) => file(`f${n}`));
    expect(await failure(flattened([plain(tar(many))], { entries: 49 }))).toMatchObject(
      saying("precondition", /more than 49 entries/),
    );
    const deep = [file(`${"d/".repeat(60)}x`)];
    expect(await failure(flattened([plain(tar(deep))], { entries: 49 }))).toMatchObject(
      saying("precondition", /more than 49 files and directories/),
    );
  });

  test("is not unpacked further than there is room for", async () => {
    const dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
    const path = join(dir, "0");
    const large = tar([{ path: "a", content: Buffer.alloc(100 * 1024 ** 2) }]);
    writeFileSync(path, large);
    const handle = await open(path, "r");
    const descriptor = { mediaType: "x", digest: Digest.parse(digestOf(large)), size: large.length };
    const asked: number[] = [];
    const reading = {
      ...{ limits: imageLimits, unpackedBytes: 0, entries: 0, onPacked: () => {} },
      needRoom: async (bytes: number) => {
        asked.push(bytes);
        if (asked.length === 2) throw new BangerError("no_space", "no room");
      },
    };
    const unpacking = {
      ...{ reading, content: rootListing().contents(0), listing: join(dir, "listing") },
      ...{ signal: new AbortController().signal, onDamaged: async () => {} },
    };
    const layer = { blob: handle, descriptor, diffId: Digest.parse(digestOf(large)) };
    expect(await failure(unpackLayer(layer, unpacking))).toMatchObject({ code: "no_space" });
    expect(asked).toEqual([64 * 1024 ** 2, 64 * 1024 ** 2]);
    expect(reading.unpackedBytes).toBeLessThan(65 * 1024 ** 2);
    await handle.close();
    rmSync(dir, { recursive: true });
  });

  test("may come twice", async () => {
    const built = buildImage([archive, archive], "plain");
    expect(built.layers[0]?.digest).toBe(built.layers[1]?.digest as string);
    expect((await flattened([plain(archive), plain(archive)])).root.names()).toEqual(["a"]);
  });

  test("with a sparse file has its holes as zeros", async () => {
    const pax = {
      "GNU.sparse.major": "0",
      "GNU.sparse.minor": "1",
      "GNU.sparse.size": "10000",
      "GNU.sparse.map": "8000,3",
    };
    const sparse = Buffer.concat([entryBytes({ path: "s", content: "abc", pax }), end]);
    const { root } = await flattened([plain(sparse)]);
    expect(root.lines()[1]).toContain(" 10000 ");
    expect(root.lines()[1]).toContain(
      digestOf(Buffer.concat([Buffer.alloc(8000), Buffer.from("abc"), Buffer.alloc(1997)])).slice(7),
    );
  });
});

test("whatever is done to a layer's bytes, it is read, or refused as what it is", async () => {
  const whole = tar([
    { path: "d/", type: "5" },
    { path: "d/a", content: "x".repeat(700), pax: { "SCHILY.xattr.user.x": "y", mtime: "1.5" } },
    { path: "l", type: "2", link: "d/../a" },
    { path: "h", type: "1", link: "d/a" },
    { path: ".wh.x" },
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (changes, mendChecksums) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        if (mendChecksums) mend(bytes);
        const error = await failure(flattened([plain(bytes)]));
        if (error !== undefined) expect(error).toMatchObject({ code: "corrupt" });
      },
    ),
    { numRuns: 300 },
  );
});

/** Gives every block that looks like a header the checksum that it should have. */
function mend(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    bytes.fill(0x20, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
}
