import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { end } from "../../tar/testing/archive.ts";
import { Digest } from "../digest.ts";
import { imageLimits, type Limits, mergeLayers } from "../oci.ts";
import { failure, saying } from "../testing/failures.ts";
import { blob, buildImage, digestOf, type Packing } from "../testing/image-builder.ts";
import { rootListing } from "../testing/memory-sink.ts";
import { entryBytes, type TarSpec, tar } from "../testing/tar-writer.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

interface Given {
  bytes: Uint8Array;
  /** Of the layer unpacked. */
  diffId: string;
}

async function flattened(layers: readonly Given[], limits: Partial<Limits> = {}, damaged: string[] = []) {
  const opened = [];
  for (const [index, { bytes, diffId }] of layers.entries()) {
    const path = join(dir, String(index));
    writeFileSync(path, bytes);
    const { mediaType, digest, size } = blob("application/vnd.oci.image.layer.v1.tar", bytes);
    const descriptor = { mediaType, digest: Digest.parse(digest), size };
    opened.push({ blob: await open(path, "r"), descriptor, diffId: Digest.parse(diffId) });
  }
  try {
    const merged = await mergeLayers({
      layers: opened,
      limits: { ...imageLimits, ...limits },
      signal: new AbortController().signal,
      progress: () => {},
      onDamaged: async ({ descriptor }) => void damaged.push(descriptor.digest),
    });
    const root = rootListing();
    await merged.write(root);
    return { root, totals: merged.totals };
  } finally {
    for (const layer of opened) await layer.blob.close();
  }
}

const plain = (bytes: Buffer): Given => ({ bytes, diffId: digestOf(bytes) });
const of = (...layers: TarSpec[][]) => flattened(layers.map((layer) => plain(tar(layer))));
const directory = (path: string, more: Partial<TarSpec> = {}): TarSpec => ({ path, type: "5", ...more });
const file = (path: string, content = path): TarSpec => ({ path, content });
const symlink = (path: string, link: string): TarSpec => ({ path, type: "2", link });
const hardlink = (path: string, link: string): TarSpec => ({ path, type: "1", link });

describe("whiteouts", () => {
  test("mean lower layers alone, in whatever order a layer has them", async () => {
    const lower = [
      directory("d/"),
      file("d/old"),
      directory("d/sub/"),
      file("d/sub/old"),
      file("f", "lower"),
    ];
    const upper = [directory("d/", { mode: 0o711 }), file("d/new"), file("f", "upper")];
    const marks = [file(".wh.d", ""), file(".wh.f", "")];
    for (const layer of [
      [...marks, ...upper],
      [...upper, ...marks],
    ]) {
      const { root } = await of(lower, layer);
      expect(root.names()).toEqual(["d", "d/new", "f"]);
      expect(root.text("f")).toBe("upper");
      expect(root.lines()[1]).toStartWith("/d directory 711");
    }
  });

  test("of a directory that is only the way to something new leave the way, without what it was", async () => {
    const lower = [directory("d/", { mode: 0o700, uid: 7 }), file("d/old")];
    for (const layer of [
      [file(".wh.d", ""), file("d/new")],
      [file("d/new"), file(".wh.d", "")],
    ]) {
      const { root } = await of(lower, layer);
      expect(root.names()).toEqual(["d", "d/new"]);
      expect(root.lines()[1]).toStartWith("/d directory 755 0:0");
    }
  });

  test("that are opaque hide all that lower layers have there, nested too", async () => {
    const lower = [directory("d/"), directory("d/e/"), file("d/e/old"), file("d/old")];
    const upper = [directory("d/"), directory("d/e/"), file("d/e/new")];
    const mark = file("d/.wh..wh..opq", "");
    for (const layer of [
      [...upper, mark],
      [mark, ...upper],
    ])
      expect((await of(lower, layer)).root.names()).toEqual(["d", "d/e", "d/e/new"]);
    expect((await of(lower, [file(".wh..wh..opq", "")])).root.names()).toEqual([]);
  });

  test("that are AUFS's own mean nothing, and are no files", async () => {
    const { root } = await of([
      file("a"),
      file(".wh..wh.plnk", ""),
      directory(".wh..wh.orph/"),
      file(".wh..wh.aufs", ""),
    ]);
    expect(root.names()).toEqual(["a"]);
  });

  test.each([".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh."])("called %p are refused", async (path) => {
    expect(await failure(of([directory("d/")], [file(path, "")]))).toMatchObject(
      saying("corrupt", /takes away a directory by its own name, or its parent/),
    );
  });
});

describe("names", () => {
  test("never lead out of the root, whatever symlinks are in the way", async () => {
    const { root } = await of([
      directory("d/"),
      symlink("d/up", "../../../.."),
      symlink("abs", "/../../etc"),
      symlink("self", "."),
      file("d/up/x"),
      file("abs/y"),
      file("self/self/self/z"),
    ]);
    expect(root.names()).toEqual(["abs", "d", "d/up", "etc", "etc/y", "self", "x", "z"]);
  });

  test.each(["../x", "a/../../x", "/../x", "d/..", ".."])("with .. in them are refused: %p", async (path) => {
    expect(await failure(of([directory("d/"), file(path)]))).toMatchObject(
      saying("corrupt", /has \.\. in it/),
    );
    expect(await failure(of([file("x"), hardlink("y", path)]))).toMatchObject(
      saying("corrupt", /has \.\. in it/),
    );
  });

  test.each([
    ["through a file", [file("f"), file("f/x")], /leads through "f", which is no directory/],
    ["in a circle of symlinks", [symlink("a", "b"), symlink("b", "a"), file("a/x")], /too many symlinks/],
    ["through a symlink to itself", [symlink("a", "a/a"), file("a/x")], /too many (symlinks|directories)/],
    ["longer than any file system has them", [file("n".repeat(256))], /longer than 255 bytes/],
    ["deeper than anybody goes", [file(`${"d/".repeat(1500)}x`)], /directories deep/],
    ["to be the root, but no directory", [{ path: "./", type: "2", link: "x" } as TarSpec], /is the root/],
    ["to a hard link's file that is not there", [hardlink("a", "b")], /hard link to "b", which is not there/],
    ["to a hard link's directory", [directory("d/"), hardlink("a", "d")], /which is a directory/],
    ["to a hard link's root", [hardlink("a", "/")], /which is a directory/],
  ] as [string, TarSpec[], RegExp][])("%s are refused", async (_, layer, message) => {
    expect(await failure(of(layer))).toMatchObject(saying("corrupt", message));
  });

  test("that a layer leaves the parents of out have them as everywhere", async () => {
    const { root } = await of([file("a/b/c")]);
    expect(root.lines().slice(1, 3)).toEqual([
      "/a directory 755 0:0 @1000000000",
      "/a/b directory 755 0:0 @1000000000",
    ]);
  });
});

describe("what is left out", () => {
  test("are devices and FIFOs, which are counted, and still hide what was there", async () => {
    const { root, totals } = await of(
      [file("null"), file("other")],
      [
        { path: "null", type: "3" },
        { path: "sda", type: "4" },
        { path: "pipe", type: "6" },
        hardlink("alias", "null"),
      ],
    );
    expect(root.names()).toEqual(["other"]);
    expect(totals.specials).toBe(4);
  });

  test("are attributes that no guest has a use for", async () => {
    const pax = {
      "SCHILY.xattr.user.kept": "1",
      "SCHILY.xattr.security.selinux": "system_u:object_r:x",
      "SCHILY.xattr.com.apple.quarantine": "1",
      "SCHILY.xattr.trusted.overlay.opaque": "y",
    };
    const { root } = await of([{ path: "a", pax }]);
    expect(root.lines()[1]).toContain(" trusted.overlay.opaque=79 user.kept=31 0 ");
  });
});

describe("totals", () => {
  test("say what there will be, before anything is written", async () => {
    const { totals } = await of([
      directory("d/"),
      file("d/a", "x".repeat(5000)),
      hardlink("d/b", "d/a"),
      symlink("s", "d"),
      symlink("long", "x/".repeat(50)),
    ]);
    expect(totals).toMatchObject({ directories: 2, files: 1, hardLinks: 1, symlinks: 2, specials: 0 });
    expect(totals).toMatchObject({ contentBytes: 5000, blockBytes: 4096 * 5 });
  });
});

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

  test("with more behind its end is refused by its diff_id alone", async () => {
    const longer = Buffer.concat([archive, Buffer.alloc(2048)]);
    expect((await flattened([plain(longer)])).root.names()).toEqual(["a"]);
    const hidden = { bytes: longer, diffId: digestOf(archive) };
    expect(await failure(flattened([hidden]))).toMatchObject({ code: "corrupt" });
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
    const bad = Buffer.from(bytes);
    bad.writeUInt8(bad.readUInt8(40) ^ 1, 40);
    const path = join(dir, "0");
    writeFileSync(path, bad);
    const handle = await open(path, "r");
    const descriptor = { mediaType: "x", digest: Digest.parse(digestOf(bytes)), size: bytes.length };
    const request = {
      layers: [{ blob: handle, descriptor, diffId: Digest.parse(digestOf(archive)) }],
      ...{ limits: imageLimits, signal: new AbortController().signal, progress: () => {} },
      onDamaged: async () => void damaged.push(path),
    };
    expect(await failure(mergeLayers(request))).toMatchObject(saying("corrupt", /was damaged in the cache/));
    await handle.close();
    expect(damaged).toEqual([path]);
    expect(readFileSync(path).equals(bad)).toBe(true);
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

test("only what is left of lower layers is written, once", async () => {
  const { root } = await of(
    [file("a", "1"), file("b", "1"), file("c", "1")],
    [file("a", "2"), hardlink("b2", "b")],
    [file("a", "3"), file(".wh.c", ""), file(".wh.b", "")],
  );
  expect(root.names()).toEqual(["a", "b2"]);
  expect([root.text("a"), root.text("b2")]).toEqual(["3", "1"]);
});
